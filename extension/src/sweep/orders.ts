import type { SweepOrder } from '../documents/types';

/**
 * Hands an order to the kernel whose notebook an element is in.
 * @returns once it is executed, or why it was not
 */
export type OrderSender = (node: HTMLElement, order: SweepOrder) => Promise<string | undefined>;

let sender: OrderSender | undefined;

/**
 * The way to the kernel. JupyterLab creates MIME renderers without access to kernels, so the plugin that has it leaves it
 * here; without one, a display has no buttons.
 */
export const sweepOrders = {
  get: (): OrderSender | undefined => sender,
  set(next: OrderSender | undefined): void {
    sender = next;
  },
};
