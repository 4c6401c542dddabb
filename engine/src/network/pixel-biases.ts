import type { Network } from './network.js';
import { biasCount, type PixelAttention, type PixelBias } from './pixel-attention.js';

/** A bias of an attention over pixels, with the node's name and how many values it has. */
export interface NamedBias {
  readonly name: string;
  readonly bias: PixelBias;
  readonly count: number;
}

/** The biases of a network's attention over pixels, in execution order. */
export function biasesOf({ nodes }: Network): NamedBias[] {
  return nodes.flatMap((node) => {
    if (node.kind !== 'pixel-attention' || !node.attention.bias) return [];
    const { bias } = node.attention;
    return [{ name: node.name, bias, count: biasCount(node.attention, bias) }];
  });
}

const numbers = new WeakMap<PixelBias, number>();
let count = 0;

/** An attention over pixels as text, the same for the same: its bias is known by itself, not by its values. */
export function attentionText({ bias, ...attention }: PixelAttention): string {
  if (!bias) return JSON.stringify(attention);
  let number = numbers.get(bias);
  if (number === undefined) {
    number = count++;
    numbers.set(bias, number);
  }
  return `${JSON.stringify(attention)} + bias ${number}`;
}
