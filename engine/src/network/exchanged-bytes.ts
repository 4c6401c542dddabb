import type { Network } from './network.js';
import type { NetworkShapes } from './walk.js';

/**
 * Bytes of a network's input and output as float32, which every run copies in and out; of an output whose shape only a
 * foreign node knows, none.
 */
export function exchangedBytes(network: Network, { values }: NetworkShapes): number {
  return [network.input, network.output].reduce(
    (sum, name) => sum + 4 * (values.get(name)?.reduce((product, extent) => product * extent, 1) ?? 0),
    0,
  );
}
