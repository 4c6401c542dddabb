import { convolutionsOf } from './convolutions.js';
import { weightCount } from './flops.js';
import type { Network } from './network.js';
import { biasesOf } from './pixel-biases.js';

const known = new WeakMap<Network, number>();

/** Bytes of a network's weights as float32, without those of foreign nodes. None is made or read for that. */
export function weightBytesOf(network: Network): number {
  let bytes = known.get(network);
  if (bytes === undefined) {
    const weights = convolutionsOf(network).reduce((sum, convolution) => sum + weightCount(convolution), 0);
    bytes = 4 * biasesOf(network).reduce((sum, { count }) => sum + count, weights);
    known.set(network, bytes);
  }
  return bytes;
}
