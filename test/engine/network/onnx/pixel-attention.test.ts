import { blocksOf, run } from '@fovea/engine';
import type { NetworkNode, PixelAttentionNode } from '@fovea/engine/backend';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { attending, attentions } from '../../support/attending.js';
import { agrees, conv, densely, floats, model } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';
import {
  edgesApart,
  linear,
  normalised,
  reshape,
  type Spelling,
  transformer,
  transpose,
  windowed,
  withClassToken,
  withoutToken,
  withToken,
} from '../../support/transformer-graphs.js';

const kinds = ({ nodes }: { nodes: readonly NetworkNode[] }) => nodes.map(({ kind }) => kind);
const attentionsOf = ({ nodes }: { nodes: readonly NetworkNode[] }) =>
  nodes.filter((node): node is PixelAttentionNode => node.kind === 'pixel-attention');

/** Transformers of all pixels of an 8 x 8 map. */
function onAllPixels(g: GraphBuilder, x: string, build: (x: string) => string, channels: number) {
  const rows = transpose(g, g.node('Flatten', [x], { axis: 1 }), 0, 1);
  const tokens = transpose(g, reshape(g, rows, -1, channels, 64), 0, 2, 1);
  const done = transpose(g, build(tokens), 0, 2, 1);
  return reshape(g, done, -1, channels, 8, 8);
}

/** Transformers of the pixels at the same place of 2 x 2 patches, as MobileViT unfolds an 8 x 8 map. */
function onPatches(g: GraphBuilder, x: string, build: (x: string) => string, channels: number) {
  const rows = transpose(g, reshape(g, x, -1, 2, 4, 2), 0, 2, 1, 3);
  const patches = transpose(g, reshape(g, rows, -1, channels, 16, 4), 0, 3, 2, 1);
  const done = build(reshape(g, patches, -1, 16, channels));
  const back = transpose(g, reshape(g, done, -1, 4, 16, channels), 0, 3, 2, 1);
  return reshape(g, transpose(g, reshape(g, back, -1, 4, 2, 2), 0, 2, 1, 3), -1, channels, 8, 8);
}

/** A separable attention (MobileViT V2) of the pixels at each place of 2 x 2 patches. */
function separable(g: GraphBuilder, x: string, channels: number) {
  const split = reshape(g, x, -1, channels, 4, 2, 4, 2);
  const unfolded = reshape(g, transpose(g, split, 0, 1, 3, 5, 2, 4), -1, channels, 4, 16);
  const rows = reshape(g, unfolded, 0, 1, -1);
  const one = (value: number) => g.floats(g.fresh('one'), [1], Float32Array.of(value));
  const normed = g.node('InstanceNormalization', [rows, one(1), one(0)], { epsilon: Float32Array.of(1e-5) });
  const back = g.node('Reshape', [normed, g.node('Shape', [unfolded])]);
  const scaled = g.node('Add', [g.node('Mul', [back, floats(g, channels, 1, 1)]), floats(g, channels, 1, 1)]);
  const qkv = conv(g, scaled, channels, 2 * channels + 1, 1);
  const [query, key, value] = [
    [0, 1],
    [1, channels],
    [channels + 1, channels],
  ].map(([first, count]) => g.channels(qkv, first!, count!)) as [string, string, string];
  const context = g.sum(g.node('Mul', [key, g.node('Softmax', [query], { axis: -1 })]), [-1]);
  const all = g.node('Expand', [context, g.node('Shape', [value])]);
  const out = conv(g, g.node('Mul', [g.node('Relu', [value]), all]), channels, channels, 1);
  const sum = reshape(g, g.node('Add', [out, unfolded]), -1, channels, 2, 2, 4, 4);
  return reshape(g, transpose(g, sum, 0, 1, 4, 2, 5, 3), -1, channels, 8, 8);
}

/** Linear attention (EfficientViT) of two heads whose queries, keys and values of 4 channels are side by side. */
function byLinearWeights(g: GraphBuilder, x: string) {
  const rows = transpose(g, reshape(g, x, -1, 2, 12, 64), 0, 1, 3, 2);
  const [q, k, v] = [0, 1, 2].map((i) => g.part(rows, -1, 4 * i, 4)) as [string, string, string];
  const padded = g.padded(v, [0, 0, 0, 1], 1);
  const products = g.node('MatMul', [transpose(g, g.node('Relu', [k]), 0, 1, 3, 2), padded]);
  const sums = g.node('MatMul', [g.node('Relu', [q]), products]);
  const ends = (first: number, last: number) =>
    g.node('Slice', [sums, ...[[first], [last], [3], [1]].map((values) => g.integers(values))]);
  const total = g.node('Add', [ends(-1, Number.MAX_SAFE_INTEGER), g.scalar(1e-5)]);
  const out = transpose(g, g.node('Div', [ends(0, -1), total]), 0, 1, 3, 2);
  return reshape(g, out, -1, 8, 8, 8);
}

/** Attention of `[N, 65, 8]` as PyTorch's own layer has it: positions before images, and both as one extent of a matrix. */
function positionsFirst(g: GraphBuilder, x: string) {
  const qkv = linear(g, transpose(g, normalised(g, x, 8), 1, 0, 2), 8, 24);
  const apart = g.node('Unsqueeze', [reshape(g, qkv, 65, -1, 3, 8), g.integers([0])]);
  const parts = g.node('Squeeze', [transpose(g, apart, 3, 1, 2, 0, 4), g.integers([3])]);
  const [q, k, v] = [0, 1, 2].map((i) => {
    const part = g.node('Gather', [parts, g.integers([i], [])], { axis: 0 });
    return reshape(g, transpose(g, reshape(g, part, 65, -1, 4), 1, 0, 2), -1, 2, 65, 4);
  }) as [string, string, string];
  const products = g.node('MatMul', [g.node('Mul', [q, g.scalar(0.5)]), transpose(g, k, 0, 1, 3, 2)]);
  const attended = g.node('MatMul', [g.node('Softmax', [products], { axis: -1 }), v]);
  const rows = reshape(g, transpose(g, attended, 2, 0, 1, 3), -1, 8);
  const done = g.node('Gemm', [rows, floats(g, 8, 8), floats(g, 8)]);
  return g.node('Add', [x, transpose(g, reshape(g, done, 65, -1, 8), 1, 0, 2)]);
}

/** Products of all tokens with each other, which no softmax makes weights of. */
function square(g: GraphBuilder, x: string) {
  const tokens = withToken(g, x);
  return g.node('Tanh', [g.node('MatMul', [tokens, transpose(g, tokens, 0, 2, 1)])]);
}

const between = (from: number, to: number, build: (g: GraphBuilder, x: string) => string) =>
  model((g, x) => conv(g, build(g, g.node('Relu', [conv(g, x, 3, from)])), to, 2));

describe('attention over pixels that a file spells out', () => {
  it.each<[string, Omit<Spelling, 'pixels'>]>([
    ['parts and a traced scale', {}],
    ['gathered parts, queries scaled', { parts: 'gather', scale: 'query' }],
    ['slices, products scaled, heads flat', { parts: 'slice', scale: 'products', flat: true }],
    ['no scale', { scale: 'none' }],
  ])('is a node, with %s, and linear layers are blocks', async (name, spelling) => {
    for (const [pattern, place] of [
      ['all', onAllPixels],
      ['patches', onPatches],
    ] as const) {
      const own = { ...spelling, pixels: place === onAllPixels ? 64 : 16 };
      const build = (g: GraphBuilder) => (x: string) =>
        transformer(g, transformer(g, x, 8, 2, own), 8, 2, own);
      const bytes = between(8, 8, (g, x) => place(g, x, build(g), 8));
      const network = await agrees(bytes, `${name} ${pattern}`.replaceAll(' ', '-'));
      expect(kinds(network)).not.toContain('foreign');
      expect(attentionsOf(network).map(({ attention }) => attention)).toEqual(
        [1, 2].map(() =>
          expect.objectContaining({
            ...{ by: 'softmax', heads: 2, depth: 4, width: 4 },
            patch: place === onAllPixels ? [1, 1] : [2, 2],
            scale: expect.closeTo(spelling.scale === 'none' ? 1 : 0.5, 6),
          }),
        ),
      );
      expect(blocksOf(network).filter(({ adaptive }) => adaptive)).toHaveLength(2);
    }
  });

  it('is a context of each place, at other sizes too', async () => {
    const network = await agrees(
      between(6, 6, (g, x) => separable(g, x, 6)),
      'separable',
    );
    expect(kinds(network)).not.toContain('foreign');
    const [node] = attentionsOf(network);
    expect(node?.attention).toMatchObject({ by: 'context', width: 6, patch: [2, 2] });
    const images = randomImages({ ...network, inputShape: { channels: 3, height: 6, width: 10 } }, 1);
    const { output } = await run(network, images, { backend: 'native' });
    expect(relativeError(output.data, (await densely(network, images)).data)).toBeLessThan(1e-5);
    const odd = randomImages({ ...network, inputShape: { channels: 3, height: 6, width: 9 } }, 1);
    await expect(run(network, odd)).rejects.toThrow('a map of 6 x 9 in patches of 2 x 2');
  });

  it('has linear weights', async () => {
    const network = await agrees(between(24, 8, byLinearWeights), 'linear');
    expect(kinds(network)).toEqual(['convolution', 'pixel-attention', 'convolution']);
    expect(attentionsOf(network)[0]?.attention).toEqual({
      ...{ by: 'linear', heads: 2, depth: 4, width: 4, patch: [1, 1], scale: 1 },
      epsilon: expect.closeTo(1e-5, 9),
      ...{ query: { first: 0, step: 12 }, key: { first: 4, step: 12 }, value: { first: 8, step: 12 } },
    });
  });

  it('ends in the mean of all pixels', async () => {
    const bytes = model((g, x) => {
      const map = conv(g, x, 3, 8);
      const tokens = transpose(g, reshape(g, map, -1, 8, 64), 0, 2, 1);
      const mean = g.mean(normalised(g, transformer(g, tokens, 8, 2, { pixels: 64 }), 8), [1], {
        keepdims: 0,
      });
      return g.node('Gemm', [mean, floats(g, 8, 5)]);
    });
    const network = await agrees(bytes, 'tokens');
    expect(kinds(network)).not.toContain('foreign');
    expect(attentionsOf(network)).toHaveLength(1);
  });

  it('is a node of a map of tokens where one is no pixel', async () => {
    const network = await agrees(between(8, 8, withClassToken), 'class-token');
    expect(attentionsOf(network)).toHaveLength(2);
    expect(blocksOf(network).filter(({ adaptive }) => adaptive)).toHaveLength(2);
    // What puts the token before the pixels, and takes it away.
    expect(kinds(network).filter((kind) => kind === 'foreign')).toHaveLength(2);
    const images = randomImages(network, 2);
    const masked = await run(network, images, { backend: 'native', masker: 'random', rate: 0.5 });
    const plain = await run(network, images, { backend: 'reference', masker: 'random', rate: 0.5 });
    expect(relativeError(masked.output.data, plain.output.data)).toBeLessThan(1e-5);
  });

  it("is a node as PyTorch's own layer has it", async () => {
    const bytes = between(8, 8, (g, x) =>
      withoutToken(g, positionsFirst(g, positionsFirst(g, withToken(g, x)))),
    );
    const network = await agrees(bytes, 'positions-first');
    expect(attentionsOf(network)).toHaveLength(2);
    expect(kinds(network).filter((kind) => kind === 'foreign')).toHaveLength(2);
  });

  it('is found around tokens that images do not come before', async () => {
    const build = (g: GraphBuilder, x: string) => {
      // The position of a token first, then the image, as PyTorch's own layers may have it.
      const tokens = g.node('Sin', [transpose(g, withToken(g, x), 1, 0, 2)]);
      const wide = g.activation(linear(g, normalised(g, tokens, 8), 8, 16), 'gelu');
      const done = g.node('Add', [tokens, linear(g, wide, 16, 8)]);
      const seen = g.node('Add', [
        transpose(g, done, 1, 0, 2),
        g.node('MatMul', [square(g, x), withToken(g, x)]),
      ]);
      return withoutToken(g, transformer(g, seen, 8, 2, { pixels: 65 }));
    };
    await agrees(between(8, 8, build), 'tokens-first');
  });

  it('has a bias of positions', async () => {
    const build = (g: GraphBuilder, x: string) => {
      const rows = transpose(g, reshape(g, x, -1, 2, 4, 64), 0, 1, 3, 2);
      const products = g.node('MatMul', [rows, transpose(g, rows, 0, 1, 3, 2)]);
      // Pixels of the second product come column by column.
      const columns = transpose(g, reshape(g, rows, -1, 2, 8, 8, 4), 0, 1, 3, 2, 4);
      const turned = reshape(g, columns, -1, 2, 64, 4);
      const mixed = g.node('MatMul', [turned, transpose(g, rows, 0, 1, 3, 2)]);
      const heard = (product: string, bias: string, values: string) =>
        g.node('MatMul', [g.node('Softmax', [g.node('Add', [product, bias])], { axis: -1 }), values]);
      const first = heard(products, floats(g, 2, 64, 64), rows);
      const second = heard(mixed, floats(g, 64, 64), rows);
      const inRows = transpose(g, reshape(g, second, -1, 2, 8, 8, 4), 0, 1, 3, 2, 4);
      const sum = g.node('Add', [first, reshape(g, inRows, -1, 2, 64, 4)]);
      return reshape(g, transpose(g, sum, 0, 1, 3, 2), -1, 8, 8, 8);
    };
    const network = await agrees(between(8, 8, build), 'biased');
    expect(kinds(network)).not.toContain('foreign');
    expect(attentionsOf(network).map(({ attention: { bias } }) => bias?.values.length)).toEqual([
      2 * 64 * 64,
      2 * 64 * 64,
    ]);
    const other = randomImages({ ...network, inputShape: { channels: 3, height: 4, width: 16 } }, 1);
    await expect(run(network, other)).resolves.toBeDefined();
    const more = randomImages({ ...network, inputShape: { channels: 3, height: 8, width: 10 } }, 1);
    await expect(run(network, more)).rejects.toThrow('a bias of 64 queries and 64 keys on 80 and 80');
  });

  it('weighs values that are columns', async () => {
    const build = (g: GraphBuilder, x: string) => {
      const columns = reshape(g, x, -1, 8, 64);
      const products = g.node('MatMul', [transpose(g, columns, 0, 2, 1), columns]);
      const weights = g.node('Softmax', [g.node('Add', [products, floats(g, 64, 64)])], { axis: -1 });
      return reshape(g, g.node('MatMul', [columns, transpose(g, weights, 0, 2, 1)]), -1, 8, 8, 8);
    };
    const network = await agrees(between(8, 8, build), 'columns');
    expect(kinds(network)).toEqual(['convolution', 'pixel-attention', 'convolution']);
  });

  it('has queries of every second row and third column', async () => {
    const build = (g: GraphBuilder, x: string) => {
      const rows = transpose(g, x, 0, 2, 3, 1);
      const slice = (value: string, axis: number, step: number) =>
        g.node('Slice', [value, ...[[0], [100], [axis], [step]].map((each) => g.integers(each))]);
      const fewer = reshape(g, slice(slice(rows, 1, 2), 2, 3), -1, 12, 8);
      const keys = reshape(g, x, -1, 8, 64);
      const products = g.node('MatMul', [fewer, keys]);
      const weights = g.node('Softmax', [g.node('Add', [products, floats(g, 12, 64)])], { axis: -1 });
      const heard = g.node('MatMul', [weights, transpose(g, keys, 0, 2, 1)]);
      return reshape(g, transpose(g, heard, 0, 2, 1), -1, 8, 4, 3);
    };
    const network = await agrees(between(8, 8, build), 'fewer-queries');
    expect(kinds(network)).toEqual(['convolution', 'max-pool', 'max-pool', 'pixel-attention', 'convolution']);
  });

  it('has patches merged before and behind it, as Swin does', async () => {
    const merged = (
      g: GraphBuilder,
      x: string,
      patch: readonly [number, number],
      order: readonly number[],
    ) => {
      const [height, width] = patch;
      const cut = reshape(g, transpose(g, x, 0, 2, 3, 1), -1, 8 / height, height, 8 / width, width, 8);
      const all = 8 * height * width;
      const rows = reshape(g, transpose(g, cut, ...order), -1, 8 / height, 8 / width, all);
      return transpose(g, linear(g, normalised(g, rows, all), all, 8), 0, 3, 1, 2);
    };
    const network = await agrees(
      between(8, 8, (g, x) => {
        const attended = windowed(g, x, 8, 2, 2, edgesApart(2, -100));
        return merged(g, attended, [2, 2], [0, 1, 3, 4, 2, 5]);
      }),
      'merged',
    );
    expect(kinds(network)).not.toContain('foreign');
    expect(kinds(network)).toContain('concat');
    const other = await agrees(
      between(8, 8, (g, x) => {
        const attended = windowed(g, x, 8, 2, 0);
        return merged(g, attended, [4, 2], [0, 1, 3, 2, 4, 5]);
      }),
      'merged-otherwise',
    );
    expect(kinds(other)).not.toContain('foreign');
  });

  it.each([
    ['in windows', 0, undefined],
    ['in shifted windows', 3, edgesApart(3, -100)],
    ['in shifted windows whose edges are not told apart', 2, undefined],
  ])('is %s, and linear layers are blocks', async (name, shift, mask) => {
    const build = (g: GraphBuilder, x: string) => windowed(g, x, 8, 2, shift, mask);
    const network = await agrees(between(8, 8, build), name.replaceAll(' ', '-'));
    expect(kinds(network)).not.toContain('foreign');
    expect(attentionsOf(network)[0]?.attention).toMatchObject({
      windows: { extent: [4, 4], shift: [shift, shift], apart: mask ? -100 : 0 },
      bias: { queries: 16, keys: 16 },
    });
    expect(blocksOf(network).filter(({ adaptive }) => adaptive)).toHaveLength(1);
  });

  it.each<[string, (g: GraphBuilder, x: string) => string]>([
    [
      'weights over heads',
      (g, x) => {
        const rows = transpose(g, reshape(g, x, -1, 2, 4, 64), 0, 1, 3, 2);
        const products = g.node('MatMul', [rows, transpose(g, rows, 0, 1, 3, 2)]);
        const heard = g.node('MatMul', [g.node('Softmax', [products], { axis: 1 }), rows]);
        return reshape(g, transpose(g, heard, 0, 1, 3, 2), -1, 8, 8, 8);
      },
    ],
    ['windows with a mask that tells no edges apart', (g, x) => windowed(g, x, 8, 2, 2, edgesApart(1, -100))],
    ['a bias of heads and windows', (g, x) => windowed(g, x, 8, 2, 0, edgesApart(2, -100))],
    [
      'a bias that is no number',
      (g, x) => {
        const rows = transpose(g, reshape(g, x, -1, 2, 4, 64), 0, 1, 3, 2);
        const products = g.node('MatMul', [rows, transpose(g, rows, 0, 1, 3, 2)]);
        const before = Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 64 > i / 64 ? -Infinity : 0));
        const biased = g.node('Add', [products, g.floats('causal', [64, 64], before)]);
        const heard = g.node('MatMul', [g.node('Softmax', [biased], { axis: -1 }), rows]);
        return reshape(g, transpose(g, heard, 0, 1, 3, 2), -1, 8, 8, 8);
      },
    ],
    [
      'products that are read elsewhere',
      (g, x) => {
        const rows = transpose(g, reshape(g, x, -1, 2, 4, 64), 0, 1, 3, 2);
        const products = g.node('MatMul', [rows, transpose(g, rows, 0, 1, 3, 2)]);
        const heard = g.node('MatMul', [g.node('Softmax', [products], { axis: -1 }), rows]);
        const map = reshape(g, transpose(g, heard, 0, 1, 3, 2), -1, 8, 8, 8);
        return g.node('Add', [map, g.mean(products, [1, 2, 3])]);
      },
    ],
  ])('agrees with onnxruntime where it has %s', async (name, build) => {
    const network = await agrees(between(8, 8, build), name.replaceAll(' ', '-'));
    if (name !== 'products that are read elsewhere') expect(attentionsOf(network)).toEqual([]);
  });
});

describe('an attention over pixels that is written', () => {
  it.each(attentions)('is read again: %s', async (name, attention, maps) => {
    const network = attending(attention, maps);
    const again = await importOnnx(toOnnx(network), name);
    expect(kinds(again)).not.toContain('foreign');
    expect(attentionsOf(again)[0]?.attention).toEqual({
      ...attention,
      scale: expect.closeTo(attention.scale, 6),
      epsilon: expect.closeTo(attention.epsilon, 6),
    });
    const images = randomImages(network, 2);
    const { data } = (await run(again, images, { backend: 'native' })).output;
    expect(relativeError(data, (await densely(network, images)).data)).toBeLessThan(1e-5);
  });
});
