import type { Network } from '@fovea/engine';
import type { Convolution } from '@fovea/engine/backend';
import { everyNth } from '../../../engine/src/network/every-nth.js';

/** A max-pool of 3x3 as the layer of a branch behind another. */
export function maxPoolBehind({ name, outChannels }: Convolution): Convolution {
  return {
    ...everyNth(`${name}.pool`, outChannels, [1, 1]),
    kernel: [3, 3],
    padding: [1, 1, 1, 1],
    weight: new Float32Array(9 * outChannels).fill(1),
    maximum: true,
  };
}

/** A network whose branches have such a pool behind their first convolution. */
export function withPools(network: Network): Network {
  const nodes = network.nodes.map((node) => {
    if (node.kind !== 'block') return node;
    const [first, ...rest] = node.block.branch;
    return { ...node, block: { ...node.block, branch: [first!, maxPoolBehind(first!), ...rest] } };
  });
  return { ...network, nodes };
}
