import type { GraphBuilder } from '../../../engine/src/network/onnx/builder.js';
import { floats } from './onnx-graphs.js';

export const reshape = (g: GraphBuilder, x: string, ...extents: number[]) =>
  g.node('Reshape', [x, g.integers(extents)]);
export const transpose = (g: GraphBuilder, x: string, ...perm: number[]) =>
  g.node('Transpose', [x], { perm });
export const linear = (g: GraphBuilder, x: string, from: number, to: number) =>
  g.node('Add', [floats(g, to), g.node('MatMul', [x, floats(g, from, to)])]);
export const normalised = (g: GraphBuilder, x: string, channels: number) =>
  g.node('LayerNormalization', [x, floats(g, channels), floats(g, channels)], { axis: -1 });

/** `1 / √depth`, halved between queries and keys, as PyTorch traces it from a value's extents. */
function tracedScale(g: GraphBuilder, query: string) {
  const depth = g.node('Cast', [g.part(g.node('Shape', [query]), 0, -1, Number.MAX_SAFE_INTEGER)], { to: 1 });
  const scale = g.node('Div', [g.scalar(1), g.node('Sqrt', [depth])]);
  return g.node('Sqrt', [g.node('Cast', [scale], { to: 1 })]);
}

/** How an exporter writes attention, of so many pixels. */
export interface Spelling {
  readonly pixels: number;
  /** `split` and `gather`: an operator for all three; `slice`: one each. */
  readonly parts?: 'split' | 'gather' | 'slice';
  readonly scale?: 'traced' | 'query' | 'products' | 'none';
  /** Batches of heads as one extent while keys are turned. */
  readonly flat?: boolean;
}

/** Multi-head attention of `[batch, pixels, channels]` as timm has it. */
function attention(g: GraphBuilder, x: string, channels: number, heads: number, spelling: Spelling) {
  const { pixels, parts = 'split', scale = 'traced', flat = false } = spelling;
  const depth = channels / heads;
  const qkv = reshape(g, linear(g, x, channels, 3 * channels), -1, pixels, 3, heads, depth);
  const turned = transpose(g, qkv, 2, 0, 3, 1, 4);
  const part = (i: number) =>
    parts === 'gather'
      ? g.node('Gather', [turned, g.integers([i], [])], { axis: 0 })
      : g.node('Squeeze', [g.part(turned, 0, i, 1), g.integers([0])]);
  const [q, k, v] = [0, 1, 2].map(part) as [string, string, string];
  const keys = flat
    ? reshape(g, transpose(g, reshape(g, k, -1, pixels, depth), 0, 2, 1), -1, heads, depth, pixels)
    : transpose(g, k, 0, 1, 3, 2);
  const by = scale === 'traced' ? tracedScale(g, q) : g.scalar(depth ** -0.5);
  const times = (value: string, on: boolean) => (on ? g.node('Mul', [value, by]) : value);
  const products = g.node('MatMul', [
    times(q, scale === 'traced' || scale === 'query'),
    times(keys, scale === 'traced'),
  ]);
  const weights = g.node('Softmax', [times(products, scale === 'products')], { axis: -1 });
  const heard = transpose(g, g.node('MatMul', [weights, v]), 0, 2, 1, 3);
  return linear(g, reshape(g, heard, -1, pixels, channels), channels, channels);
}

/** A transformer's layer of `[batch, pixels, channels]`. */
export function transformer(g: GraphBuilder, x: string, channels: number, heads: number, spelling: Spelling) {
  const attended = g.node('Add', [x, attention(g, normalised(g, x, channels), channels, heads, spelling)]);
  const wide = g.activation(linear(g, normalised(g, attended, channels), channels, 2 * channels), 'gelu');
  return g.node('Add', [attended, linear(g, wide, 2 * channels, channels)]);
}

/** `[N, 65, 8]` of a map: a token made of the first pixel, then all pixels. */
export function withToken(g: GraphBuilder, x: string) {
  const tokens = transpose(g, reshape(g, x, -1, 8, 64), 0, 2, 1);
  const first = g.node('Mul', [g.part(tokens, 1, 0, 1), g.scalar(2)]);
  return g.node('Concat', [first, tokens], { axis: 1 });
}

/** The pixels of such tokens as a map again. */
export const withoutToken = (g: GraphBuilder, tokens: string) =>
  reshape(g, transpose(g, g.part(tokens, 1, 1, 64), 0, 2, 1), -1, 8, 8, 8);

/** Two layers of a transformer with a token that is no pixel (ViT). */
export const withClassToken = (g: GraphBuilder, x: string) =>
  withoutToken(
    g,
    transformer(g, transformer(g, withToken(g, x), 8, 2, { pixels: 65 }), 8, 2, { pixels: 65 }),
  );
