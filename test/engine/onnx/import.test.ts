import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  blocksOf,
  builtNetwork,
  importOnnx,
  loadNetwork,
  type Network,
  type OnnxOptions,
  openDense,
  Random,
  run,
  type Tensor,
  toOnnx,
  toOnnxWithExternalData,
} from '@fovea/engine';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../engine/src/network/onnx/builder.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

function difference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  let [worst, largest] = [0, 1e-12];
  for (let i = 0; i < a.data.length; i++) {
    worst = Math.max(worst, Math.abs(a.data[i]! - b.data[i]!));
    largest = Math.max(largest, Math.abs(b.data[i]!));
  }
  return worst / largest;
}

/** What survives a file: everything about blocks but names and maskers. */
function structure(network: Network) {
  return blocksOf(network).map(
    ({ index, stage, kind, branch, squeezeExcitation, projection, activation, adaptive }) => ({
      index,
      stage,
      kind,
      branch: branch.map(({ kernel, stride, padding, groups, activation }) => ({
        kernel,
        stride,
        padding,
        groups,
        activation,
      })),
      excites: squeezeExcitation && [
        squeezeExcitation.after,
        squeezeExcitation.reduce.activation,
        squeezeExcitation.expand.activation,
      ],
      projects: projection?.stride,
      activation,
      adaptive,
    }),
  );
}

async function densely(network: Network, images: Tensor): Promise<Tensor> {
  return (await run(network, images, { backend: 'reference', strategy: 'dense' })).output;
}

const forms: [string, OnnxOptions][] = [
  ['folded, raw', {}],
  ['batch norm left unfolded', { batchNorm: { seed: 1 } }],
  ['one protobuf number a value', { data: 'typed' }],
  ['Constant nodes', { constants: 'node' }],
  ['initialisers listed as inputs', { listedAsInputs: true }],
  ['ReduceMean and Reshape before the classifier', { head: 'reshape' }],
  ['a fixed batch', { batch: 2 }],
  ['every extent open', { size: 'dynamic' }],
  [
    'all at once',
    { batchNorm: { seed: 2 }, data: 'typed', constants: 'node', head: 'reshape', size: 'dynamic' },
  ],
];

describe('ONNX import', () => {
  it.each(forms)('reads back a network written with %s', async (_, options) => {
    for (const kind of ['bottleneck', 'basic', 'inverted'] as const) {
      const network = smallNetwork({ kind, excite: kind === 'bottleneck', groups: kind === 'basic' ? 1 : 4 });
      const imported = await importOnnx(toOnnx(network, options), 'copy');
      expect(structure(imported)).toEqual(structure(network));
      expect(imported.nodes.filter((node) => node.kind === 'foreign')).toEqual([]);
      expect(imported.notes).toEqual([]);
      const images = randomImages(network, 2);
      expect(difference(await densely(imported, images), await densely(network, images))).toBeLessThan(1e-5);
    }
  });

  it.each([
    'resnet18',
    'resnet50',
    'resnext50_32x4d',
    'wide_resnet50_2',
    'regnet_x_400mf',
    'regnet_y_400mf',
    'mobilenet_v2',
  ])('finds the blocks of %s', async (name) => {
    const network = builtNetwork(name, { classes: 10 });
    const imported = await importOnnx(toOnnx(network), 'copy');
    expect(structure(imported)).toEqual(structure(network));
    const [built, read] = [blocksOf(network), blocksOf(imported)];
    for (const [i, block] of read.entries()) expect(block.name.startsWith(built[i]!.name)).toBe(true);
    expect(imported.nodes.map(({ kind }) => kind)).toEqual(network.nodes.map(({ kind }) => kind));
  });

  it('takes a file with external data, and runs that very file as the dense baseline', async () => {
    const network = smallNetwork();
    const { model, external } = toOnnxWithExternalData(network, 'weights.bin');
    writeFileSync(join(folder, 'model.onnx'), model);
    writeFileSync(join(folder, 'weights.bin'), external!);
    const imported = await loadNetwork(join(folder, 'model.onnx'));
    const images = randomImages(network, 2);
    const expected = await densely(network, images);
    expect(difference(await densely(imported, images), expected)).toBeLessThan(1e-6);
    const session = await openDense(imported, { batch: 2, height: 13, width: 11 });
    expect(session.source).toBe('file');
    expect(difference((await session.run(images)).output, expected)).toBeLessThan(1e-4);
    await session.dispose();
  });

  it('runs a file of fixed size at another size', async () => {
    const network = smallNetwork();
    writeFileSync(join(folder, 'fixed.onnx'), toOnnx(network, { batch: 1 }));
    const imported = await loadNetwork(join(folder, 'fixed.onnx'));
    const images = randomImages({ ...network, inputShape: { channels: 3, height: 20, width: 9 } }, 3);
    const session = await openDense(imported, { batch: 3, height: 20, width: 9 });
    expect(session.source).toBe('written');
    expect(difference((await session.run(images)).output, await densely(network, images))).toBeLessThan(1e-4);
    await session.dispose();
  });

  it('computes half-precision weights in float32', async () => {
    const network = smallNetwork();
    const half = await importOnnx(toOnnx(network, { precision: 'float16' }), 'half');
    expect(half.notes).toEqual(['half-precision weights are computed in float32']);
    const images = randomImages(network);
    expect(difference(await densely(half, images), await densely(network, images))).toBeLessThan(1e-2);
    const again = await importOnnx(toOnnx(half, { precision: 'float16', data: 'typed' }), 'again');
    expect(await densely(again, images)).toEqual(await densely(half, images));
  });

  it('writes what it has read so that onnxruntime agrees', async () => {
    for (const [, options] of forms) {
      const network = smallNetwork({ excite: true, groups: 2 });
      const imported = await importOnnx(toOnnx(network, options), 'copy');
      const images = randomImages(network, 2);
      const session = await openDense(imported, { batch: 2, height: 13, width: 11 });
      expect(difference((await session.run(images)).output, await densely(network, images))).toBeLessThan(
        1e-4,
      );
      await session.dispose();
    }
  });
});

/** A graph of a 3-channel 8x8 image; `build` adds operators and returns the output's name. */
function model(build: (graph: GraphBuilder, x: string) => string, opset = 17): Uint8Array {
  const graph = new GraphBuilder({}, opset);
  const x = graph.input('x', ['batch', 3, 8, 8]);
  const name = build(graph, x);
  return graph.finish('test', [{ name }]).model;
}

const weights = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(seed + i * 1.7));

function conv(
  graph: GraphBuilder,
  x: string,
  inChannels: number,
  outChannels: number,
  kernel = 3,
  name = graph.fresh('c'),
) {
  const weight = graph.floats(
    `${name}.weight`,
    [outChannels, inChannels, kernel, kernel],
    weights(outChannels * inChannels * kernel ** 2, inChannels),
  );
  return graph.node('Conv', [x, weight], {
    kernel_shape: [kernel, kernel],
    pads: new Array(4).fill(kernel >> 1),
  });
}

const floats = (g: GraphBuilder, ...dims: number[]) =>
  g.floats(
    g.fresh('w'),
    dims,
    weights(
      dims.reduce((product, extent) => product * extent, 1),
      dims.length,
    ),
  );

/** Both the engine's reading of a graph and onnxruntime's own reading of the file. */
async function agrees(bytes: Uint8Array, name: string): Promise<Network> {
  const path = join(folder, `${name}.onnx`);
  writeFileSync(path, bytes);
  const network = await loadNetwork(path);
  const images = randomImages(network, 2);
  const own = await openDense(network, { batch: 2, height: 8, width: 8 });
  expect(own.source).toBe('file');
  const expected = (await own.run(images)).output;
  await own.dispose();
  expect(difference(await densely(network, images), expected)).toBeLessThan(1e-4);
  const sparse = await run(network, images, { backend: 'onnx', masker: 'random', rate: 1 });
  expect(difference(sparse.output, expected)).toBeLessThan(1e-4);
  const { onnxPath: _, ...bare } = network;
  const written = await openDense(bare, { batch: 2, height: 8, width: 8 });
  expect(difference((await written.run(images)).output, expected)).toBeLessThan(1e-4);
  await written.dispose();
  return network;
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
    ['Clip from 0 as ReLU', (g, x) => g.node('Clip', [x, g.scalar(0)]), 'relu'],
  ])('joins %s into the convolution', async (_, build, activation) => {
    const network = await agrees(
      model((g, x) => build(g, conv(g, x, 3, 4))),
      'activation',
    );
    expect(kinds(network)).toEqual(['convolution']);
    expect(network.nodes[0]).toMatchObject({ convolution: { activation } });
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
    for (const stride of [1, 2]) {
      const network = await agrees(
        model((g, x) =>
          g.node('Conv', [x, floats(g, 4, 3, 4, 3)], {
            auto_pad,
            strides: [stride, stride],
            kernel_shape: [4, 3],
          }),
        ),
        `auto${stride}`,
      );
      expect(kinds(network)).toEqual([stride === 1 ? 'convolution' : 'foreign']);
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

describe('foreign pieces', () => {
  it('runs neighbouring unknown operators as one piece', async () => {
    const network = await agrees(
      model((g, x) => {
        const a = conv(g, x, 3, 4);
        const unknown = g.node('Tanh', [g.node('Elu', [g.node('Softplus', [a])])]);
        return conv(g, unknown, 4, 2);
      }),
      'elementwise',
    );
    expect(kinds(network)).toEqual(['convolution', 'foreign', 'convolution']);
    expect(network.notes[0]).toBe('1 piece(s) of the graph run in onnxruntime, in NCHW: Elu, Softplus, Tanh');
  });

  it('finds residual blocks on both sides of a piece', async () => {
    const network = await agrees(
      model((g, x) => {
        const block = (input: string, channels: number) =>
          g.activation(
            g.node('Add', [
              input,
              conv(g, g.activation(conv(g, input, channels, channels), 'relu'), channels, channels),
            ]),
            'relu',
          );
        const first = block(x, 3);
        return block(g.node('Concat', [first, g.node('Tanh', [first])], { axis: 1 }), 6);
      }),
      'around',
    );
    expect(kinds(network)).toEqual(['block', 'foreign', 'block']);
  });

  it('keeps a flattened map, a softmax and a split', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = g.node(
          'Transpose',
          [g.node('Reshape', [conv(g, x, 3, 4), g.integers([0, 2, 2, 8, 8])])],
          { perm: [0, 2, 1, 3, 4] },
        );
        const mixed = conv(g, g.node('Reshape', [map, g.integers([0, 4, 8, 8])]), 4, 4);
        const flat = g.node('Flatten', [mixed], { axis: 1 });
        const logits = g.node('Gemm', [flat, g.floats('fc.weight', [5, 256], weights(1280, 3))], {
          transB: 1,
        });
        return g.node('Softmax', [logits], { axis: 1 });
      }),
      'shuffle',
    );
    expect(
      network.nodes.map((node) => (node.kind === 'foreign' ? node.operators.join() : node.kind)),
    ).toEqual(['convolution', 'Reshape,Transpose', 'convolution', 'Flatten', 'convolution', 'Softmax']);
  });

  it('runs a network without residual blocks, and says so', async () => {
    const network = await agrees(
      model((g, x) => g.activation(conv(g, x, 3, 4), 'relu')),
      'plain',
    );
    expect(blocksOf(network)).toEqual([]);
    expect(network.notes).toEqual([
      'no residual block was found: the network runs densely, masks have nothing to skip',
    ]);
  });

  it('leaves a sum dense whose branch somebody else reads', async () => {
    const network = await agrees(
      model((g, x) => {
        const inner = conv(g, x, 3, 3);
        const sum = g.node('Add', [conv(g, inner, 3, 3), x]);
        return g.node('Concat', [sum, inner], { axis: 1 });
      }),
      'shared',
    );
    expect(blocksOf(network)).toEqual([]);
    expect(network.notes).toContain('1 addition(s) are not of a form that masks can skip and run densely');
  });

  it('refuses an operator that onnxruntime does not know either, when it is run', async () => {
    const network = await importOnnx(
      model((g, x) => g.node('Frobnicate', [conv(g, x, 3, 4)])),
      'odd',
    );
    expect(network.notes[0]).toContain('Frobnicate');
    await expect(densely(network, randomImages(network))).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('Frobnicate'),
    });
  });
});
