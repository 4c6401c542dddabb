import { blocksOf, type Network, Random, randomMasker, run } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { missingOf } from '../../support/backends.js';
import { agrees, agreesAt, conv, floats, model, open, weights } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

/** `x · (1 + erf(x / √2)) · 0.5` */
function gelu(g: GraphBuilder, x: string, root = Math.SQRT2): string {
  const gate = g.node('Add', [g.node('Erf', [g.node('Div', [x, g.scalar(root)])]), g.scalar(1)]);
  return g.node('Mul', [g.node('Mul', [x, gate]), g.scalar(0.5)]);
}

const kinds = (network: Network) => network.nodes.map(({ kind }) => kind);

describe('operators', () => {
  it.each<[string, (graph: GraphBuilder, x: string) => string, string]>([
    ['Sigmoid and Mul as SiLU', (g, x) => g.node('Mul', [x, g.node('Sigmoid', [x])]), 'silu'],
    [
      'HardSigmoid and Mul as hard swish',
      (g, x) => g.node('Mul', [g.activation(x, 'hardsigmoid'), x]),
      'hardswish',
    ],
    [
      'the spelled-out hard swish',
      (g, x) => {
        const clipped = g.activation(g.node('Add', [x, g.scalar(3)]), 'relu6');
        return g.node('Div', [g.node('Mul', [x, clipped]), g.scalar(6)]);
      },
      'hardswish',
    ],
    [
      'the spelled-out hard sigmoid',
      (g, x) => g.node('Div', [g.activation(g.node('Add', [x, g.scalar(3)]), 'relu6'), g.scalar(6)]),
      'hardsigmoid',
    ],
    ["ONNX's own HardSigmoid, whose slope is 0.2,", (g, x) => g.node('HardSigmoid', [x]), 'hardsigmoid'],
    [
      'a HardSigmoid of another slope and offset',
      (g, x) => g.node('HardSigmoid', [x], { alpha: Float32Array.of(-0.3), beta: Float32Array.of(0.4) }),
      'hardsigmoid',
    ],
    ['Clip from 0 as ReLU', (g, x) => g.node('Clip', [x, g.scalar(0)]), 'relu'],
    ['LeakyRelu', (g, x) => g.node('LeakyRelu', [x], { alpha: Float32Array.of(0.1) }), 'leaky-relu 0.1'],
    [
      'a PRelu of one slope',
      (g, x) => g.node('PRelu', [x, g.floats('slope', [4, 1, 1], new Float32Array(4).fill(0.25))]),
      'leaky-relu 0.25',
    ],
    [
      'a PRelu of a slope for each channel',
      (g, x) => g.node('PRelu', [x, g.floats('slope', [4, 1, 1], weights(4, 1))]),
      'prelu',
    ],
    ['the spelled-out Mish', (g, x) => g.activation(x, 'mish'), 'mish'],
    ['the spelled-out GELU', (g, x) => g.activation(x, 'gelu'), 'gelu'],
    ["GELU in PyTorch's order", (g, x) => gelu(g, x), 'gelu'],
    ['GELU with √2 as 16-bit floats hold it', (g, x) => gelu(g, x, 1.4140625), 'gelu'],
    ['the spelled-out GELU by tanh', (g, x) => g.activation(x, 'gelu-tanh'), 'gelu-tanh'],
    [
      'GELU by tanh with a power',
      (g, x) => {
        const cube = g.node('Mul', [g.scalar(0.044715), g.node('Pow', [x, g.scalar(3)])]);
        const inner = g.node('Mul', [g.node('Add', [cube, x]), g.scalar(Math.sqrt(2 / Math.PI))]);
        const gate = g.node('Add', [g.scalar(1), g.node('Tanh', [inner])]);
        return g.node('Mul', [g.scalar(0.5), g.node('Mul', [x, gate])]);
      },
      'gelu-tanh',
    ],
  ])('joins %s into the convolution', async (_, build, activation) => {
    const network = await agrees(
      model((g, x) => build(g, conv(g, x, 3, 4))),
      'activation',
    );
    expect(kinds(network)).toEqual(['convolution']);
    expect(network.nodes[0]).toMatchObject({ convolution: { activation } });
  });

  it.each<[string, (graph: GraphBuilder, x: string) => string]>([
    ['a slope for each column', (g, x) => g.node('PRelu', [x, g.floats('slope', [8], weights(8, 1))])],
    ['a slope below 0', (g, x) => g.node('LeakyRelu', [x], { alpha: Float32Array.of(-0.5) })],
    ['a gate of another scale', (g, x) => g.node('Mul', [gelu(g, x), g.node('Erf', [x])])],
    [
      'a GELU of which a part is read elsewhere',
      (g, x) => {
        const erf = g.node('Erf', [g.node('Mul', [x, g.scalar(Math.SQRT1_2)])]);
        const whole = g.node('Mul', [g.node('Mul', [x, g.scalar(0.5)]), g.node('Add', [erf, g.scalar(1)])]);
        return g.node('Add', [whole, erf]);
      },
    ],
    [
      'the product of a GELU with twice its gate',
      (g, x) => {
        const erf = g.node('Erf', [g.node('Mul', [x, g.scalar(Math.SQRT1_2)])]);
        return g.node('Mul', [x, g.node('Add', [erf, g.scalar(1)])]);
      },
    ],
  ])('computes %s right', async (_, build) => {
    await agrees(
      model((g, x) => conv(g, build(g, conv(g, x, 3, 4)), 4, 3)),
      'activation',
    );
  });

  it('has blocks whose branches end in any activation, and agrees with onnxruntime where masks skip nothing', async () => {
    const activations = ['mish', 'gelu', 'gelu-tanh', 'leaky-relu 0.1'] as const;
    const network = await agrees(
      model((g, x) => {
        let value = conv(g, x, 3, 4);
        for (const activation of activations) {
          const branch = conv(g, g.activation(conv(g, value, 4, 4), activation), 4, 4);
          value = g.activation(g.node('Add', [branch, value]), activation);
        }
        return value;
      }),
      'blocks',
    );
    expect(blocksOf(network).map(({ branch, activation }) => [branch[0]!.activation, activation])).toEqual(
      activations.map((activation) => [activation, activation]),
    );
    const input = randomImages(network, 2);
    const masker = randomMasker(0.5, 3);
    const of = async (backend: 'reference' | 'native' | 'onnx' | 'webgpu') =>
      (await run(network, input, { backend, masker, strategy: 'unfused' })).output.data;
    const expected = await of('reference');
    for (const backend of ['native', 'onnx', 'webgpu'] as const) {
      if ((await missingOf(backend)) !== undefined) continue;
      expect(relativeError(await of(backend), expected), backend).toBeLessThan(1e-5);
    }
  });

  it('folds Pad, batch norm and constant arithmetic into the convolution', async () => {
    const network = await agrees(
      model((g, x) => {
        const padded = g.node('Pad', [x, g.integers([0, 0, 1, 0, 0, 0, 2, 1])]);
        const scaled = g.node('Mul', [conv(g, padded, 3, 4), g.floats('s', [4, 1, 1], weights(4, 1))]);
        return g.node('Sub', [scaled, g.floats('t', [1, 4, 1, 1], weights(4, 2))]);
      }),
      'pad',
    );
    expect(kinds(network)).toEqual(['convolution']);
    expect(network.nodes[0]).toMatchObject({ convolution: { padding: [2, 1, 3, 2] } });
  });

  it('computes padding that others than a convolution read too', async () => {
    const network = await agrees(
      model((g, x) => {
        // The stem of HGNetV2, with more zeros than its windows are large.
        const padded = g.node('Pad', [conv(g, x, 3, 4), g.integers([0, 0, 0, 3, 0, 0, 1, 2])]);
        const pooled = g.node('MaxPool', [padded], { kernel_shape: [2, 2] });
        const convolved = g.node('Conv', [padded, floats(g, 4, 4, 2, 2)]);
        return g.node('Concat', [convolved, pooled], { axis: 1 });
      }),
      'pad-for-two',
    );
    expect(kinds(network)).toEqual(['convolution', 'convolution', 'max-pool', 'convolution', 'concat']);
    const images = randomImages(network, 2);
    const of = async (backend: string) => (await run(network, images, { backend })).output.data;
    const expected = await of('reference');
    for (const backend of ['native', 'onnx', 'webgpu'] as const) {
      if ((await missingOf(backend)) !== undefined) continue;
      expect(relativeError(await of(backend), expected), backend).toBeLessThan(1e-5);
    }
  });

  it('computes a batch norm that follows no convolution', async () => {
    const network = await agrees(
      model((g, x) =>
        conv(
          g,
          g.node('Sub', [
            g.scalar(1),
            g.node('Div', [x, g.floats('d', [3, 1, 1], Float32Array.of(2, 3, 4))]),
          ]),
          3,
          4,
        ),
      ),
      'affine',
    );
    expect(kinds(network)).toEqual(['convolution', 'convolution']);
  });

  it('reads a classifier in any of its forms', async () => {
    const heads: ((g: GraphBuilder, x: string) => string)[] = [
      (g, x) => g.node('Flatten', [g.node('GlobalAveragePool', [x])], { axis: 1 }),
      (g, x) => g.mean(x, [2, 3], { keepdims: 0 }),
      (g, x) => g.node('Flatten', [g.node('AveragePool', [x], { kernel_shape: [8, 8], strides: [8, 8] })]),
      (g, x) => g.node('Squeeze', [g.mean(x, [-1, -2]), g.integers([2, 3])]),
      (g, x) =>
        g.node('Dropout', [g.node('Reshape', [g.node('GlobalAveragePool', [x]), g.integers([-1, 4])])]),
      (g, x) => {
        const pooled = g.node('GlobalAveragePool', [x]);
        const batch = g.node('Gather', [g.node('Shape', [pooled]), g.integers([0], [])]);
        const rows = g.node('Unsqueeze', [batch, g.integers([0])]);
        return g.node('Reshape', [pooled, g.node('Concat', [rows, g.integers([-1])], { axis: 0 })]);
      },
    ];
    const matrix = (g: GraphBuilder, dims: [number, number]) =>
      g.floats('fc.weight', dims, weights(dims[0] * dims[1], 3));
    for (const [i, head] of heads.entries()) {
      const gemm = await agrees(
        model((g, x) =>
          g.node(
            'Gemm',
            [head(g, conv(g, x, 3, 4)), matrix(g, [5, 4]), g.floats('fc.bias', [5], weights(5, 9))],
            {
              transB: 1,
              alpha: Float32Array.of(0.5),
              beta: Float32Array.of(2),
            },
          ),
        ),
        `gemm${i}`,
      );
      expect(kinds(gemm)).toEqual(['convolution', 'global-pool', 'convolution']);
      const matMul = await agrees(
        model((g, x) =>
          g.node('Add', [
            g.node('MatMul', [head(g, conv(g, x, 3, 4)), matrix(g, [4, 5])]),
            g.floats('fc.bias', [5], weights(5, 9)),
          ]),
        ),
        `matmul${i}`,
      );
      expect(kinds(matMul)).toEqual(['convolution', 'global-pool', 'convolution']);
    }
  });

  it('keeps a mean of a whole map as a window where no vector is made of it', async () => {
    const network = await agrees(
      model((g, x) => g.node('AveragePool', [conv(g, x, 3, 4)], { kernel_shape: [8, 8] })),
      'whole-window',
    );
    expect(kinds(network)).toEqual(['convolution', 'average-pool']);
  });

  it('reads pools and convolutions of any geometry', async () => {
    const random = new Random(8);
    const between = (least: number, most: number) => least + random.below(most - least + 1);
    for (let round = 0; round < 40; round++) {
      const kernel = [between(1, 4), between(1, 4)];
      const pads = Array.from({ length: 4 }, (_, i) => random.below(kernel[i % 2]!));
      const window = { kernel_shape: kernel, strides: [between(1, 3), between(1, 3)], pads };
      const ceil_mode = random.below(2);
      const network = await agrees(
        model((g, x) => {
          const { pads: _, ...bare } = window;
          const padded = round % 4 === 3 ? { ...bare, auto_pad: 'VALID' } : window;
          if (round % 3 === 0) return g.node('MaxPool', [x], { ...padded, ceil_mode });
          if (round % 3 === 1) {
            return g.node('AveragePool', [x], { ...padded, ceil_mode, count_include_pad: random.below(2) });
          }
          const dilations = [between(1, 2), between(1, 2)];
          const weight = floats(g, 6, 1, kernel[0]!, kernel[1]!);
          return g.node('Conv', [x, weight, floats(g, 6)], { ...padded, dilations, group: 3 });
        }),
        `window${round}`,
      );
      expect(kinds(network)).not.toContain('foreign');
    }
  });

  it.each(['SAME_UPPER', 'SAME_LOWER'])('reads auto_pad %s, with and without a stride', async (auto_pad) => {
    for (const stride of [1, 2, 3]) {
      for (const op of ['Conv', 'MaxPool', 'AveragePool']) {
        const window = { auto_pad, strides: [stride, stride], kernel_shape: [4, 3] };
        const network = await agrees(
          model((g, x) => g.node(op, op === 'Conv' ? [x, floats(g, 4, 3, 4, 3)] : [x], window), 17, open),
          `auto${stride}`,
        );
        expect(kinds(network)).not.toContain('foreign');
        for (const [height, width] of [
          [9, 8],
          [7, 11],
        ] as const) {
          await agreesAt(network, height, width);
        }
      }
    }
  });

  it.each([13, 17, 18, 20])('reads the forms of operator set %i', async (opset) => {
    const network = await agrees(
      model((g, x) => {
        const branch = conv(g, g.activation(conv(g, x, 3, 3), 'hardswish'), 3, 3);
        return g.mean(g.activation(g.node('Add', [branch, x]), 'relu'), [2, 3]);
      }, opset),
      `opset${opset}`,
    );
    expect(kinds(network)).toEqual(['block', 'global-pool']);
  });
});
