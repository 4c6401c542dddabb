import { convolutionsOf } from './convolutions.js';
import type { Network } from './network.js';

const known = new WeakMap<Network, number>();

/** Bytes of a network's weights as float32, without those of foreign nodes. */
export function weightBytesOf(network: Network): number {
  let bytes = known.get(network);
  if (bytes === undefined) {
    bytes = 4 * convolutionsOf(network).reduce((sum, { weight }) => sum + weight.length, 0);
    known.set(network, bytes);
  }
  return bytes;
}
