import type { ResizeNode } from '../network.js';
import type { GraphBuilder } from './builder.js';

/**
 * Writes a map made larger. Before operator set 11 only `nearest` and `asymmetric` exist, with `Upsample` before 10.
 * @returns the output's name
 * @throws FoveaError `unsupported` for another interpolation there
 */
export function writeResize(
  graph: GraphBuilder,
  { factor, interpolation }: Pick<ResizeNode, 'factor' | 'interpolation'>,
  map: string,
  name = '',
): string {
  const nearest = interpolation === 'nearest';
  const mode = { mode: nearest ? 'nearest' : 'linear' };
  const scales = Float32Array.of(1, 1, ...factor);
  const earlier = graph.opset < 11 && (nearest || interpolation === 'asymmetric');
  if (earlier && graph.opset < 9) return graph.node('Upsample', [map], { ...mode, scales }, { name });
  const factors = graph.factors(scales);
  if (earlier) return graph.node(graph.opset < 10 ? 'Upsample' : 'Resize', [map, factors], mode, { name });
  const attributes = {
    ...mode,
    coordinate_transformation_mode: nearest ? 'asymmetric' : interpolation.replace('-', '_'),
    ...(nearest ? { nearest_mode: 'floor' } : {}),
  };
  // The region of interest, which nothing reads here, may be left out from operator set 13 on.
  const region = graph.opset < 13 ? graph.factors(new Float32Array(0)) : '';
  return graph.node('Resize', [map, region, factors], attributes, { name });
}
