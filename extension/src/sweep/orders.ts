import { Signal } from '@lumino/signaling';
import type { SweepOrder } from '../documents/types';

/** The way from a display of a sweep to the kernel that runs it. */
export interface OrderSender {
  /**
   * Whether a kernel runs the sweep and takes orders for it.
   * @param node the display: the kernel of the notebook that it is in is asked, or where it is in none, all of them
   * @param id of the document
   */
  reaches(node: HTMLElement, id: string): Promise<boolean>;
  /** Hands over an order. @returns once it is executed, or why it was not */
  send(node: HTMLElement, order: SweepOrder): Promise<string | undefined>;
}

let sender: OrderSender | undefined;
const changed = new Signal<object, void>({});

/**
 * The way to the kernels. JupyterLab creates MIME renderers without access to them, so the plugin that has it leaves it
 * here; without one, a display has no buttons.
 */
export const sweepOrders = {
  /** Emitted when kernels have come or gone, so that others may be reached. */
  changed,
  get: (): OrderSender | undefined => sender,
  set(next: OrderSender | undefined): void {
    sender = next;
    changed.emit();
  },
};
