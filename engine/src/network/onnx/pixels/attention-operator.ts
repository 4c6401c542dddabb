import {
  type PixelAttention,
  type PixelWeighting,
  type PixelWindows,
  pixelAttentionFault,
} from '../../pixel-attention.js';
import { floatOf, type GraphNode, intOf, intsOf, stringOf } from '../graph.js';
import { madeOperator } from '../made-operator.js';
import type { Dims } from '../shape-rules.js';

/** Operators that are found in a graph, and that no file has. */
const domain = 'fovea.found';
const op = 'PixelAttention';
const noValues = new Float32Array(0);

/**
 * An attention over pixels as an operator of a graph, between its having been found and its becoming a node.
 * @param inputs maps, and behind them a constant of the values of its bias where it has one
 */
export function attentionOperator(
  name: string,
  inputs: readonly string[],
  output: string,
  { by, heads, depth, width, query, key, value, scale, epsilon, patch, windows, bias }: PixelAttention,
): GraphNode {
  const places = [query ?? key, key, value].flatMap(({ first, step }) => [first, step]);
  const attributes = {
    ...{ by, heads, depth, width, patch, places },
    ...{ scale: Float32Array.of(scale), epsilon: Float32Array.of(epsilon) },
    ...(windows
      ? { windows: [...windows.extent, ...windows.shift], apart: Float32Array.of(windows.apart) }
      : {}),
    ...(bias ? { biased: [bias.queries, bias.keys] } : {}),
  };
  return madeOperator(op, name, inputs, output, attributes, domain);
}

export const isAttentionOperator = (node: Pick<GraphNode, 'op' | 'domain'>): boolean =>
  node.domain === domain && node.op === op;

/**
 * The attention of such an operator, without the values of its bias, which are among the inputs; undefined where a file has one of
 * its name that says something else.
 */
export function attentionOf(node: GraphNode): PixelAttention | undefined {
  const [queryFirst, queryStep, keyFirst, keyStep, valueFirst, valueStep] = intsOf(node, 'places') ?? [];
  const [height, width] = intsOf(node, 'patch') ?? [];
  const windows = intsOf(node, 'windows');
  const [queries, keys] = intsOf(node, 'biased') ?? [];
  const by = stringOf(node, 'by', '') as PixelWeighting;
  const attention = {
    ...{ by, heads: intOf(node, 'heads', 0), depth: intOf(node, 'depth', 0), width: intOf(node, 'width', 0) },
    ...(by === 'context' ? {} : { query: { first: queryFirst!, step: queryStep! } }),
    key: { first: keyFirst!, step: keyStep! },
    value: { first: valueFirst!, step: valueStep! },
    ...{ scale: floatOf(node, 'scale', Number.NaN), epsilon: floatOf(node, 'epsilon', Number.NaN) },
    patch: [height!, width!],
    ...(windows?.length === 4 ? { windows: windowsOf(windows, floatOf(node, 'apart', Number.NaN)) } : {}),
    ...(queries === undefined ? {} : { bias: { queries, keys: keys!, values: noValues } }),
  } as const;
  return pixelAttentionFault(attention) ? undefined : attention;
}

function windowsOf([height, width, y, x]: readonly number[], apart: number): PixelWindows {
  return { extent: [height!, width!], shift: [y!, x!], apart };
}

/** Extents that such an operator writes; undefined of any other. */
export function attendedShape(node: GraphNode, [first]: readonly Dims[]): Dims {
  const attention = isAttentionOperator(node) ? attentionOf(node) : undefined;
  if (!attention || first?.length !== 4) return undefined;
  return [first[0]!, attention.heads * attention.width, first[2]!, first[3]!];
}
