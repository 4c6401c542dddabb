import { convolutionsOf } from './convolutions.js';
import { weightCount } from './flops.js';
import type { Network } from './network.js';

const known = new WeakMap<Network, number>();

/** Bytes of a network's weights as float32, without those of foreign nodes. None is made or read for that. */
export function weightBytesOf(network: Network): number {
  let bytes = known.get(network);
  if (bytes === undefined) {
    bytes = 4 * convolutionsOf(network).reduce((sum, convolution) => sum + weightCount(convolution), 0);
    known.set(network, bytes);
  }
  return bytes;
}
