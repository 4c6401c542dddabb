/**
 * A network that ends in halves of its channels, each scaled by its means, normalised, attended to and made larger in
 * another way, and laid side by side again, before `tail` last nodes: what the built networks have none of.
 */
export function joined(network, tail) {
  const nodes = [...network.nodes];
  const end = nodes.splice(nodes.length - tail, tail);
  const last = nodes.at(-1);
  const { branch } = last.block;
  const half = branch[branch.length - 1].outChannels / 2;
  const node = (name, inputs, fields) => nodes.push({ name, inputs, output: name, ...fields });
  for (const [i, interpolation] of ['half-pixel', 'nearest'].entries()) {
    node(`half ${i}`, [last.output], { kind: 'slice', first: i * half, channels: half });
    node(`means ${i}`, [`half ${i}`], { kind: 'global-pool' });
    node(`scaled ${i}`, [`means ${i}`, `half ${i}`], { kind: 'multiply' });
    const by = ['moments', 'response'][i];
    node(`normalised ${i}`, [`scaled ${i}`], { kind: 'normalise-map', by, groups: 1, epsilon: 1e-5 });
    const heads = { first: 0, step: half / 4 };
    const attention = {
      ...{ by: ['softmax', 'context'][i], heads: 4, depth: [half / 4, 1][i], width: half / 4, patch: [1, 1] },
      ...{ scale: 1, epsilon: 0, key: heads, value: heads, ...(i === 0 ? { query: heads } : {}) },
    };
    const read = new Array(3 - i).fill(`normalised ${i}`);
    node(`attended ${i}`, read, { kind: 'pixel-attention', attention });
    node(`larger ${i}`, [`attended ${i}`], { kind: 'resize', factor: [2, 3], interpolation });
  }
  node('joined', ['larger 1', 'larger 0'], { kind: 'concat' });
  nodes.push(
    ...end.map((each) => ({
      ...each,
      inputs: each.inputs.map((name) => (name === last.output ? 'joined' : name)),
    })),
  );
  return { ...network, nodes, output: tail === 0 ? 'joined' : network.output };
}
