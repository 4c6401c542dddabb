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
  /** What is added to the products. */
  readonly added?: (g: GraphBuilder, products: string) => string;
}

/** Multi-head attention of `[batch, pixels, channels]` as timm has it. */
function attention(g: GraphBuilder, x: string, channels: number, heads: number, spelling: Spelling) {
  const { pixels, parts = 'split', scale = 'traced', flat = false, added } = spelling;
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
  const scaled = times(products, scale === 'products');
  const weights = g.node('Softmax', [added ? added(g, scaled) : scaled], { axis: -1 });
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

/** A map `[N, H, W, C]` that begins with another row and column, as PyTorch's `roll` is exported. */
function rolled(g: GraphBuilder, x: string, by: number) {
  return [1, 2].reduce((map, axis) => {
    const parts = [g.part(map, axis, by, Number.MAX_SAFE_INTEGER), g.part(map, axis, 0, by)];
    return g.node('Concat', parts, { axis });
  }, x);
}

/** What Swin adds to the products of pixels at different edges: `[1, windows, 1, pixels, pixels]` of an 8 x 8 map in windows of 4 x 4. */
export function edgesApart(shift: number, apart: number): Float32Array {
  const values = new Float32Array(4 * 16 * 16);
  // Regions as Swin numbers them: what is not in a last window, what is before the shift in one, and what is behind.
  const region = (place: number) => (place < 4 ? 0 : place < 8 - shift ? 1 : 2);
  for (let window = 0; window < 4; window++) {
    const at = (pixel: number) => {
      const [y, x] = [4 * (window >> 1) + (pixel >> 2), 4 * (window & 1) + (pixel & 3)];
      return 3 * region(y) + region(x);
    };
    for (let i = 0; i < 16; i++)
      for (let j = 0; j < 16; j++) values[(window * 16 + i) * 16 + j] = at(i) === at(j) ? 0 : apart;
  }
  return values;
}

/**
 * A transformer's layer of an 8 x 8 map `[N, C, H, W]` in windows of 4 x 4 pixels, shifted by so many, with a bias of positions
 * (Swin, as timm has it).
 * @param mask what is added to the products of pixels at different edges, `edgesApart`; left out, nothing
 */
export function windowed(
  g: GraphBuilder,
  x: string,
  channels: number,
  heads: number,
  shift: number,
  mask?: Float32Array,
) {
  const last = transpose(g, x, 0, 2, 3, 1);
  const first = normalised(g, last, channels);
  const whole = shift > 0 ? rolled(g, first, shift) : first;
  const cut = transpose(g, reshape(g, whole, -1, 2, 4, 2, 4, channels), 0, 1, 3, 2, 4, 5);
  const added = (_: GraphBuilder, products: string) => {
    const biased = g.node('Add', [products, floats(g, 1, heads, 16, 16)]);
    if (!mask) return biased;
    const byWindow = reshape(g, biased, -1, 4, heads, 16, 16);
    const masked = g.node('Add', [byWindow, g.floats(g.fresh('mask'), [1, 4, 1, 16, 16], mask)]);
    return reshape(g, masked, -1, heads, 16, 16);
  };
  const attended = attention(g, reshape(g, cut, -1, 16, channels), channels, heads, {
    pixels: 16,
    scale: 'query',
    added,
  });
  const back = transpose(g, reshape(g, attended, -1, 2, 2, 4, 4, channels), 0, 1, 3, 2, 4, 5);
  const map = reshape(g, back, -1, 8, 8, channels);
  const sum = g.node('Add', [last, shift > 0 ? rolled(g, map, 8 - shift) : map]);
  const wide = g.activation(linear(g, normalised(g, sum, channels), channels, 2 * channels), 'gelu');
  return transpose(g, g.node('Add', [sum, linear(g, wide, 2 * channels, channels)]), 0, 3, 1, 2);
}
