/**
 * A network whose first block is followed by attention in shifted windows with a bias of positions, which is added to what
 * the block gave.
 */
export function windowed(network) {
  const at = network.nodes.findIndex(({ kind }) => kind === 'block');
  const before = network.nodes[at];
  const depth = before.block.branch.at(-1).outChannels / 2;
  const heads = { first: 0, step: depth };
  const values = Float32Array.from({ length: 2 * 4 * 4 }, (_, i) => (i % 5) / 4 - 0.5);
  const attention = {
    ...{ by: 'softmax', heads: 2, depth, width: depth, scale: depth ** -0.5, epsilon: 0, patch: [1, 1] },
    ...{ query: heads, key: heads, value: heads },
    windows: { extent: [2, 2], shift: [1, 0], apart: -2 },
    bias: { queries: 4, keys: 4, values },
  };
  const inputs = [before.output, before.output, before.output];
  const attended = { kind: 'pixel-attention', name: 'attended', inputs, output: 'attended', attention };
  const sum = {
    kind: 'add',
    name: 'sum',
    inputs: ['attended', before.output],
    output: 'sum',
    activation: 'none',
  };
  const rest = network.nodes
    .slice(at + 1)
    .map((node) => ({ ...node, inputs: node.inputs.map((name) => (name === before.output ? 'sum' : name)) }));
  return { ...network, nodes: [...network.nodes.slice(0, at + 1), attended, sum, ...rest] };
}
