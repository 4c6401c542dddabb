import { type Attention, slidesOverChannels } from '../attention.js';
import type { PlainConvolution } from '../network.js';
import type { GraphBuilder } from './builder.js';
import { writeResponse } from './write-normalise-map.js';

/** How a graph's convolutions are written, with their activation. */
export type WriteConvolution = (input: string, convolution: PlainConvolution) => string;

/**
 * Writes an attention to maps `[N, C, H, W]`.
 * @param mean writes the mean over each image, `[N, C, 1, 1]`
 * @returns the name of the scaled map
 */
export function writeAttention(
  graph: GraphBuilder,
  attention: Attention,
  map: string,
  convolution: WriteConvolution,
  mean = (input: string) => graph.node('GlobalAveragePool', [input]),
): string {
  const { pools, epsilon, reduce, gate, spatial } = attention;
  const pooledBy = {
    mean: () => mean(map),
    max: () => graph.node('GlobalMaxPool', [map]),
    response: () => writeResponse(graph, graph.norm(map, [2, 3]), epsilon!),
  };
  const parts = pools.map((pool) => {
    const pooled = pooledBy[pool]();
    return reduce ? convolution(pooled, reduce) : pooled;
  });
  const sum = parts.reduce((a, b) => graph.node('Add', [a, b]));
  const scales = slidesOverChannels(gate)
    ? alongChannels(graph, sum, gate, convolution)
    : convolution(sum, gate);
  const scaled = graph.node('Mul', [map, scales]);
  if (!spatial) return scaled;
  const summaries = graph.node('Concat', [graph.mean(scaled, [1]), graph.most(scaled, [1])], { axis: 1 });
  return graph.node('Mul', [scaled, convolution(summaries, spatial)]);
}

/** A convolution over the channels of `[N, C, 1, 1]`, which lie side by side for it. */
function alongChannels(
  graph: GraphBuilder,
  vector: string,
  gate: PlainConvolution,
  convolution: WriteConvolution,
): string {
  const row = graph.node('Transpose', [vector], { perm: [0, 2, 3, 1] });
  return graph.node('Transpose', [convolution(row, gate)], { perm: [0, 3, 1, 2] });
}
