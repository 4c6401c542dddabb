import type { Network } from '@fovea/engine';
import { everyNth } from '../../../engine/src/network/every-nth.js';

/** A network whose branches have a max-pool of 3x3 behind their first convolution. */
export function withPools(network: Network): Network {
  const nodes = network.nodes.map((node) => {
    if (node.kind !== 'block') return node;
    const [first, ...rest] = node.block.branch;
    const { outChannels, name } = first!;
    const pool = {
      ...everyNth(`${name}.pool`, outChannels, [1, 1]),
      kernel: [3, 3] as const,
      padding: [1, 1, 1, 1] as const,
      weight: new Float32Array(9 * outChannels).fill(1),
      maximum: true,
    };
    return { ...node, block: { ...node.block, branch: [first!, pool, ...rest] } };
  });
  return { ...network, nodes };
}
