import type { NormaliseMapNode } from '../network.js';
import type { GraphBuilder } from './builder.js';

/**
 * Writes a normalised map: as PyTorch writes group normalisation, or the channels' norms and what they scale.
 * @param path of the operators' names
 * @param centred takes means away first: onnxruntime's variance is that of sums of squares, which a large mean leaves few digits
 * @returns the name of the normalised map
 */
export function writeNormaliseMap(
  graph: GraphBuilder,
  { by, groups, epsilon }: Pick<NormaliseMapNode, 'by' | 'groups' | 'epsilon'>,
  map: string,
  path: string,
  { centred = false }: { readonly centred?: boolean } = {},
): string {
  const named = (operator: string) => ({ name: `${path}/${operator}` });
  if (by === 'response') {
    return graph.node('Mul', [map, writeResponse(graph, graph.norm(map, [2, 3]), epsilon)], {}, named('Mul'));
  }
  const values = (value: number) =>
    graph.floats(graph.fresh('groups'), [groups], new Float32Array(groups).fill(value));
  const rows = graph.node('Reshape', [map, graph.integers([0, groups, -1])]);
  const around = centred ? graph.node('Sub', [rows, graph.mean(rows, [2])]) : rows;
  const inputs = [around, values(1), values(0)];
  const attributes = { epsilon: Float32Array.of(epsilon) };
  const normed = graph.node('InstanceNormalization', inputs, attributes, named('InstanceNormalization'));
  return graph.node('Reshape', [normed, graph.node('Shape', [map])]);
}

/** Writes the norms of channels, which lie along axis 1, by their mean plus `epsilon`. */
export function writeResponse(graph: GraphBuilder, norms: string, epsilon: number): string {
  return graph.node('Div', [norms, graph.node('Add', [graph.mean(norms, [1]), graph.scalar(epsilon)])]);
}
