import { blocksOf, run } from '@fovea/engine';
import { importOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, conv, floats, model, weights } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

type Build = (graph: GraphBuilder, x: string) => string;

/** An operator with these inputs behind the map. */
const op =
  (name: string, attributes = {}, more: (graph: GraphBuilder) => string[] = () => []): Build =>
  (graph, x) =>
    graph.node(name, [x, ...more(graph)], attributes);

const scalars =
  (...values: number[]) =>
  (graph: GraphBuilder) =>
    values.map((value) => graph.scalar(value));

/** Reads numbers below zero as well as above: what comes before is no activation. */
const cases: readonly [string, Build][] = [
  ...['Abs', 'Ceil', 'Cos', 'Elu', 'Erf', 'Exp', 'Floor', 'Neg', 'Round', 'Selu', 'Sign', 'Sin', 'Tanh'].map(
    (name): [string, Build] => [name, op(name)],
  ),
  ['LeakyRelu', op('LeakyRelu', { alpha: Float32Array.of(0.1) })],
  ['LRN', op('LRN', { size: 3 })],
  ['LpNormalization', op('LpNormalization', { axis: 1, p: 2 })],
  ['MeanVarianceNormalization', op('MeanVarianceNormalization', { axes: [2, 3] })],
  ['PRelu', op('PRelu', {}, (g) => [floats(g, 3, 1, 1)])],
  ['Softmax over channels', op('Softmax', { axis: 1 })],
  ['Clip from -1 to 1', op('Clip', {}, scalars(-1, 1))],
  ['Sum of three', (g, x) => g.node('Sum', [x, conv(g, x, 3, 3), g.scalar(1)])],
  ['Mean', (g, x) => g.node('Mean', [x, conv(g, x, 3, 3)])],
  ['Max and Min', (g, x) => g.node('Min', [g.node('Max', [x, g.scalar(-0.5)]), g.scalar(0.5)])],
  ['Where', (g, x) => g.node('Where', [g.node('Greater', [x, g.scalar(0.2)]), x, g.scalar(0)])],
  ['CumSum', op('CumSum', {}, (g) => [g.integers([2], [])])],
  ['Gather of channels', op('Gather', { axis: 1 }, (g) => [g.integers([2, 0, 1])])],
  ['Trilu', op('Trilu')],
  [
    'DepthToSpace and back',
    (g, x) => {
      const twelve = conv(g, x, 3, 12);
      const spread = g.node('DepthToSpace', [twelve], { blocksize: 2 });
      return conv(g, g.node('SpaceToDepth', [spread], { blocksize: 2 }), 12, 3);
    },
  ],
  ['GlobalMaxPool as a gate', (g, x) => g.node('Mul', [x, g.node('GlobalMaxPool', [x])])],
  ['LpPool', op('LpPool', { kernel_shape: [2, 2], strides: [2, 2] })],
  ['MaxPool with dilation', op('MaxPool', { kernel_shape: [3, 3], dilations: [2, 2], pads: [2, 2, 2, 2] })],
  [
    'AveragePool with ceil mode and padding counted',
    op('AveragePool', {
      kernel_shape: [3, 3],
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      ceil_mode: 1,
      count_include_pad: 1,
    }),
  ],
  ['InstanceNormalization', op('InstanceNormalization', {}, (g) => [floats(g, 3), floats(g, 3)])],
  [
    'ConvTranspose with automatic padding',
    op('ConvTranspose', { strides: [2, 2], auto_pad: 'SAME_UPPER' }, (g) => [floats(g, 3, 3, 3, 3)]),
  ],
  [
    'Resize to a size',
    op('Resize', { mode: 'nearest' }, (g) => ['', g.floats('scales', [4], Float32Array.of(1, 1, 1.5, 2))]),
  ],
  ['Pad with its edges', op('Pad', { mode: 'edge' }, (g) => [g.integers([0, 0, 1, 1, 0, 0, 1, 2])])],
  ['Pad with ones', op('Pad', {}, (g) => [g.integers([0, 0, 1, 1, 0, 0, 1, 2]), g.scalar(1)])],
  ['Slice backwards', op('Slice', {}, (g) => [[-1], [-100], [3], [-1]].map((list) => g.integers(list)))],
  [
    'attention over pixels',
    (g, x) => {
      const rows = g.node('Reshape', [x, g.integers([0, 3, -1])]);
      const turned = g.node('Transpose', [rows], { perm: [0, 2, 1] });
      const scores = g.node('Softmax', [g.node('MatMul', [turned, rows])], { axis: -1 });
      const mixed = g.node('Transpose', [g.node('MatMul', [scores, turned])], { perm: [0, 2, 1] });
      return g.node('Reshape', [mixed, g.integers([0, 3, 8, 8])]);
    },
  ],
  ['spatial attention', (g, x) => g.node('Mul', [x, g.node('Sigmoid', [conv(g, x, 3, 1)])])],
  [
    'numbers in eight bits',
    (g, x) => {
      const [scale, zero] = [g.scalar(0.05), g.node('Cast', [g.integers([3], [])], { to: 3 })];
      return g.node('DequantizeLinear', [g.node('QuantizeLinear', [x, scale, zero]), scale, zero]);
    },
  ],
  [
    'a convolution of weights that the graph computes',
    (g, x) => {
      const raw = floats(g, 3, 3, 3, 3);
      const length = g.node('ReduceL2', [raw], { axes: [1, 2, 3], keepdims: 1 });
      const weight = g.node('Div', [raw, length]);
      return g.node('Conv', [x, weight], { pads: [1, 1, 1, 1] });
    },
  ],
  [
    'a constant that is expanded',
    (g, x) =>
      g.node('Add', [
        x,
        g.node('Expand', [g.floats('e', [3, 1, 1], weights(3, 2)), g.integers([1, 3, 8, 8])]),
      ]),
  ],
];

describe('an operator between two residual blocks', () => {
  const block: Build = (g, x) => {
    const branch = conv(g, g.activation(conv(g, x, 3, 3), 'relu'), 3, 3);
    return g.node('Add', [branch, x]);
  };

  it.each(cases)('%s runs, and the blocks are found', async (_, build) => {
    const network = await agrees(
      model((g, x) => g.mean(block(g, build(g, block(g, x))), [2, 3])),
      'middle',
    );
    expect(blocksOf(network)).toHaveLength(2);
  });

  it('that nobody has is named, not taken for one whose shape depends on values', async () => {
    const network = await importOnnx(
      model((g, x) => block(g, g.node('Frobnicate', [block(g, x)], {}, { name: 'middle' }))),
      'unknown',
    );
    for (const backend of ['reference', 'native', 'onnx'] as const) {
      const running = run(network, randomImages(network), { backend, masker: 'random' });
      await expect(running).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringMatching(
          /^Frobnicate ".*": onnxruntime refuses it: .*No Op registered for Frobnicate/,
        ),
      });
    }
  });

  it('that fixes the batch runs image by image', async () => {
    const network = await importOnnx(
      model((g, x) => {
        const sizes = g.integers([1, 3, 12, 12]);
        return block(g, g.node('Resize', [block(g, x), '', '', sizes], { mode: 'nearest' }));
      }),
      'fixed',
    );
    const images = randomImages(network, 3);
    const plane = images.data.length / 3;
    const alone: number[] = [];
    for (let n = 0; n < 3; n++) {
      const image = randomImages(network, 1);
      image.data.set(images.data.subarray(n * plane, (n + 1) * plane));
      alone.push(...(await run(network, image)).output.data);
    }
    for (const backend of ['reference', 'native', 'onnx'] as const) {
      // The second time it is known that it does.
      for (let time = 0; time < 2; time++) {
        const { output } = await run(network, images, { backend });
        expect(relativeError(output.data, Float32Array.from(alone))).toBeLessThan(1e-5);
      }
    }
  });

  it('is not asked for several images where the file is of one', async () => {
    // Of two images, the last extent would take both: the result has the right extents, and other values.
    const bytes = (batch: number | string) => {
      const g = new GraphBuilder({});
      const x = g.input('x', [batch, 3, 8, 8]);
      const rows = g.node('Reshape', [conv(g, x, 3, 3), g.integers([1, 3, 8, -1])]);
      const turned = g.node('Transpose', [g.node('Sin', [rows])], { perm: [0, 2, 1, 3] });
      const back = g.node('Transpose', [g.node('Reshape', [turned, g.integers([-1, 8, 3, 8])])], {
        perm: [0, 2, 1, 3],
      });
      return g.finish('single', [{ name: conv(g, back, 3, 2) }]).model;
    };
    const network = await importOnnx(bytes(1), 'single');
    const images = randomImages(network, 2);
    const second = randomImages(network, 1);
    second.data.set(images.data.subarray(192));
    for (const backend of ['reference', 'native', 'onnx'] as const) {
      const both = (await run(network, images, { backend })).output.data;
      const alone = (await run(network, second, { backend })).output.data;
      expect(relativeError(both.subarray(alone.length), alone)).toBeLessThan(1e-6);
    }
  });
});
