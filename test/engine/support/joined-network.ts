import type { Network } from '@fovea/engine';
import type { Interpolation, NetworkNode } from '@fovea/engine/backend';

/**
 * A network with slices, a concatenation and a map made larger behind its first block, which a pool makes as small
 * again, and, with `products`, those of that with its means, with itself and with a channel of it, and their normalisations: every block before and behind gets the same sizes.
 */
export function withJoins(network: Network, interpolation: Interpolation, products = true): Network {
  const at = network.nodes.findIndex(({ kind }) => kind === 'block');
  const before = network.nodes[at];
  if (before?.kind !== 'block') throw new Error('a network of blocks is joined');
  const { outChannels: channels } = before.block.branch.at(-1)!;
  const factor = [2, 3] as const;
  const cut = Math.ceil(channels / 3);
  const window = { kernel: factor, stride: factor, padding: [0, 0, 0, 0] } as const;
  const joins: NetworkNode[] = [
    { kind: 'resize', name: 'larger', inputs: [before.output], output: 'larger', factor, interpolation },
    { kind: 'slice', name: 'head', inputs: ['larger'], output: 'head', first: 0, channels: cut },
    {
      ...{ kind: 'slice', name: 'tail', inputs: ['larger'], output: 'tail' },
      ...{ first: cut, channels: channels - cut },
    },
    { kind: 'concat', name: 'beside', inputs: ['tail', 'head', 'larger'], output: 'beside' },
    { kind: 'slice', name: 'some', inputs: ['beside'], output: 'some', first: 1, channels },
    {
      ...{ kind: 'average-pool', name: 'smaller', inputs: ['some'], output: 'smaller', ...window },
      ...{ ceilMode: false, countIncludePad: false },
    },
  ];
  if (products)
    joins.push(
      {
        ...{ kind: 'normalise-map', name: 'moments', inputs: ['smaller'], output: 'moments' },
        ...{ by: 'moments', groups: channels % 2 === 0 ? 2 : 1, epsilon: 1e-3 },
      },
      { kind: 'global-pool', name: 'means', inputs: ['smaller'], output: 'means' },
      { kind: 'multiply', name: 'scaled', inputs: ['means', 'moments'], output: 'scaled' },
      { kind: 'multiply', name: 'product', inputs: ['scaled', 'smaller'], output: 'product' },
      { kind: 'multiply', name: 'again', inputs: ['product', 'means'], output: 'again' },
      { ...{ kind: 'slice', name: 'one', inputs: ['again'], output: 'one' }, first: 1, channels: 1 },
      { kind: 'multiply', name: 'pixels', inputs: ['one', 'again'], output: 'pixels' },
      {
        ...{ kind: 'normalise-map', name: 'response', inputs: ['pixels'], output: 'response' },
        ...{ by: 'response', groups: 1, epsilon: 1e-3 },
      },
    );
  const last = joins.at(-1)!.output;
  const rest = network.nodes.slice(at + 1).map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === before.output ? last : name)),
  }));
  return { ...network, nodes: [...network.nodes.slice(0, at + 1), ...joins, ...rest] };
}
