import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, conv, floats, model } from '../../support/onnx-graphs.js';

const node = (g: GraphBuilder, op: string, ...inputs: string[]) => g.node(op, inputs);
const reshape = (g: GraphBuilder, x: string, ...extents: number[]) =>
  g.node('Reshape', [x, g.integers(extents)]);
const transpose = (g: GraphBuilder, x: string, ...perm: number[]) => g.node('Transpose', [x], { perm });
const linear = (g: GraphBuilder, x: string, from: number, to: number) =>
  g.node('Add', [floats(g, to), g.node('MatMul', [x, floats(g, from, to)])]);
const normalised = (g: GraphBuilder, x: string) =>
  g.node('LayerNormalization', [x, floats(g, 8), floats(g, 8)], { axis: -1 });

/** An extent of a value, as a list of one. */
const extent = (g: GraphBuilder, x: string, axis: number) =>
  g.node('Unsqueeze', [
    g.node('Gather', [g.node('Shape', [x]), g.integers([axis], [])], { axis: 0 }),
    g.integers([0]),
  ]);

/** What is missing to whole windows, as PyTorch traces it of sides that it takes for constants: `(-side) mod window`. */
function missing(g: GraphBuilder, side: number, window: number) {
  const number = (value: number) => g.integers([value], []);
  const rest = g.node('Mod', [number(side), number(window)], { fmod: 0 });
  const more = g.node('Mod', [node(g, 'Sub', number(window), rest), number(window)], { fmod: 0 });
  return g.node('Unsqueeze', [more, g.integers([0])]);
}

/** `[N, 8, 8, 8]`, channels last, as windows `[4 N, 4, 4, 8]`, and back. */
function inWindows(g: GraphBuilder, x: string, build: (windows: string) => string) {
  const none = g.integers([0]);
  const pads = g.node('Concat', [none, none, none, none, none, missing(g, 8, 4), missing(g, 8, 4), none], {
    axis: 0,
  });
  const padded = g.node('Pad', [x, pads], { mode: 'constant' });
  const [two, four] = [g.integers([2]), g.integers([4])];
  const cut = g.node('Concat', [extent(g, padded, 0), two, four, two, four, extent(g, padded, 3)], {
    axis: 0,
  });
  const turned = transpose(g, g.node('Reshape', [padded, cut]), 0, 1, 3, 2, 4, 5);
  const sides = g.node('Concat', [g.integers([-1]), four, four, extent(g, padded, 3)], { axis: 0 });
  const done = build(g.node('Reshape', [turned, sides]));
  return reshape(g, transpose(g, reshape(g, done, -1, 2, 2, 4, 4, 8), 0, 1, 3, 2, 4, 5), -1, 8, 8, 8);
}

/** Attention with a bias of positions between the 16 pixels of each window (Swin). */
function biased(g: GraphBuilder, windows: string) {
  const qkv = reshape(g, linear(g, reshape(g, windows, -1, 16, 8), 8, 24), -1, 16, 3, 2, 4);
  const parts = transpose(g, qkv, 2, 0, 3, 1, 4);
  const [q, k, v] = [0, 1, 2].map((i) => g.node('Gather', [parts, g.integers([i], [])], { axis: 0 })) as [
    string,
    string,
    string,
  ];
  const products = node(g, 'MatMul', q, transpose(g, k, 0, 1, 3, 2));
  const weights = g.node('Softmax', [node(g, 'Add', products, floats(g, 2, 16, 16))], { axis: -1 });
  const attended = transpose(g, node(g, 'MatMul', weights, v), 0, 2, 1, 3);
  return linear(g, reshape(g, attended, -1, 16, 8), 8, 8);
}

/** A transformer's layer on `[N, 8, 8, 8]`. */
function transformer(g: GraphBuilder, x: string) {
  const windows = inWindows(g, normalised(g, x), (value) => reshape(g, biased(g, value), -1, 4, 4, 8));
  const attended = node(g, 'Add', x, windows);
  const wide = g.activation(linear(g, normalised(g, attended), 8, 16), 'gelu');
  return node(g, 'Add', attended, linear(g, wide, 16, 8));
}

const onRows = (layers: number) =>
  model((g, x) => {
    let rows = transpose(g, conv(g, x, 3, 8), 0, 2, 3, 1);
    for (let i = 0; i < layers; i++) rows = transformer(g, rows);
    return conv(g, transpose(g, rows, 0, 3, 1, 2), 8, 2);
  });

describe('windows of a map', () => {
  it.each([1, 3])(
    'agree with onnxruntime around attention that it has to compute, %i times',
    async (layers) => {
      const network = await agrees(onRows(layers), `windows-${layers}`);
      const foreign = network.nodes.flatMap((one) => (one.kind === 'foreign' ? [one] : []));
      // No piece computes what another one has.
      expect(foreign.length).toBeLessThanOrEqual(4 * layers);
      for (const { inputs } of foreign) expect(inputs.length).toBeLessThanOrEqual(2);
    },
  );

  it('are no images to a convolution', async () => {
    const bytes = model((g, x) => {
      const rows = transpose(g, conv(g, x, 3, 8), 0, 2, 3, 1);
      const done = inWindows(g, rows, (windows) =>
        transpose(g, conv(g, transpose(g, windows, 0, 3, 1, 2), 8, 8), 0, 2, 3, 1),
      );
      return conv(g, transpose(g, done, 0, 3, 1, 2), 8, 2);
    });
    const network = await agrees(bytes, 'windows-convolved');
    expect(network.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'foreign', 'convolution']);
  });
});
