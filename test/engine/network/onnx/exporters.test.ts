import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { blocksOf, type Network, run } from '@fovea/engine';
import { importOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { GraphBuilder as Builder } from '../../../../engine/src/network/onnx/builder.js';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  SparseTensorProtoSchema,
} from '../../../../engine/src/network/onnx/generated/onnx_pb.js';
import { ElementType, floatTensor, integerTensor } from '../../../../engine/src/network/onnx/tensor.js';
import { valueInfo } from '../../../../engine/src/network/onnx/value-info.js';
import { missingOf } from '../../support/backends.js';
import { agrees, agreesAt, conv, floats, model, original, weights } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const kinds = (network: Network) => network.nodes.map(({ kind }) => kind);

/** A residual block of 3x3 convolutions. */
const block = (g: GraphBuilder, x: string, channels = 3) =>
  g.node('Add', [conv(g, g.activation(conv(g, x, channels, channels), 'relu'), channels, channels), x]);

describe('what exporters write around layers', () => {
  it('padding that PyTorch computes from constants is the convolution’s', async () => {
    const network = await agrees(
      model((g, x) => {
        // What torch.onnx makes of F.pad(x, (1, 2, 0, 1)).
        const count = g.node('Sub', [g.node('Mul', [g.integers([4]), g.integers([2])]), g.integers([4])]);
        const zeros = g.node('ConstantOfShape', [count]);
        const whole = g.node('Concat', [g.integers([1, 2, 0, 1]), g.node('Cast', [zeros], { to: 7 })], {
          axis: 0,
        });
        const pairs = g.node('Reshape', [whole, g.integers([-1, 2])]);
        const least = -9_223_372_036_854_775_000;
        const reversed = g.node('Slice', [pairs, ...[-1, least, 0, -1].map((at) => g.integers([at]))]);
        const flat = g.node('Reshape', [g.node('Transpose', [reversed], { perm: [1, 0] }), g.integers([-1])]);
        return conv(g, g.node('Pad', [x, g.node('Cast', [flat], { to: 7 })], { mode: 'constant' }), 3, 4, 1);
      }),
      'computed-padding',
    );
    expect(kinds(network)).toEqual(['convolution']);
    expect(network.nodes[0]).toMatchObject({ convolution: { padding: [0, 1, 1, 2] } });
  });

  it('a bias that is reshaped and added is the convolution’s', async () => {
    const network = await agrees(
      model((g, x) =>
        g.node('Add', [conv(g, x, 3, 4), g.node('Reshape', [floats(g, 4), g.integers([1, -1, 1, 1])])]),
      ),
      'reshaped-bias',
    );
    expect(kinds(network)).toEqual(['convolution']);
  });

  it.each([
    ['in its order', (i: number) => i, false],
    ['in another order', (i: number) => 3 - i, true],
  ])('a pooled map is gathered from its numbers %s, before a normalisation', async (_, place, foreign) => {
    let output = '';
    const bytes = model((g, x) => {
      const pooled = g.node('ReduceMean', [conv(g, x, 3, 4), g.integers([-1, -2])], { keepdims: 1 });
      const places = g.integers(
        Array.from({ length: 4 }, (_, i) => place(i)),
        [1, 4, 1, 1],
      );
      const strided = g.node('Gather', [g.node('Reshape', [pooled, g.integers([-1])]), places]);
      const last = g.node('Transpose', [strided], { perm: [0, 2, 3, 1] });
      const normed = g.node('LayerNormalization', [last, floats(g, 4), floats(g, 4)], { axis: -1 });
      const first = g.node('Transpose', [normed], { perm: [0, 3, 1, 2] });
      const vector = g.node('Reshape', [first, g.integers([1, 4])], { allowzero: 1 });
      output = g.node('Gemm', [vector, floats(g, 4, 5)]);
      return output;
    }, 18);
    const network = await importOnnx(bytes, 'strided');
    const images = randomImages(network, 1);
    const nchw = Float32Array.from(images.data, (_, i) => images.data[(i % 64) * 3 + Math.floor(i / 64)]!);
    const wanted = await original(bytes, 'x', nchw, [1, 3, 8, 8], output);
    const { data } = (await run(network, images, { backend: 'reference' })).output;
    expect(relativeError(data, Float32Array.from(wanted))).toBeLessThan(1e-5);
    expect(network.nodes.some(({ kind }) => kind === 'foreign')).toBe(foreign);
  });

  it('a pooled vector is reshaped with allowzero, which says nothing of a shape without zeros', async () => {
    const network = await agrees(
      model((g, x) => {
        const pooled = g.node('GlobalAveragePool', [conv(g, x, 3, 4)]);
        const vector = g.node('Reshape', [pooled, g.integers([-1, 4])], { allowzero: 1 });
        return g.node('Gemm', [vector, floats(g, 4, 2)]);
      }),
      'allowzero',
    );
    expect(kinds(network)).toEqual(['convolution', 'global-pool', 'convolution']);
  });

  it('a sparse initialiser is read with its zeros', async () => {
    const file = fromBinary(
      ModelProtoSchema,
      model((g, x) => g.node('Conv', [x, 'sparse'])),
    );
    file.graph!.sparseInitializer.push(
      create(SparseTensorProtoSchema, {
        values: floatTensor('sparse', [3], weights(3, 1)),
        indices: integerTensor('places', [1, 5, 11]),
        dims: [4n, 3n, 1n, 1n],
      }),
    );
    const network = await agrees(toBinary(ModelProtoSchema, file), 'sparse');
    const [node] = network.nodes;
    const values = node?.kind === 'convolution' ? [...node.convolution.weight] : [];
    const [a, b, c] = weights(3, 1);
    expect(values).toEqual([0, a, 0, 0, 0, b, 0, 0, 0, 0, 0, c]);
  });

  it('extents of -1 are open', async () => {
    const g = new Builder();
    const x = g.input('x', [-1, 3, -1, -1]);
    const network = await agrees(g.finish('open', [{ name: block(g, x) }]).model, 'minus-one');
    expect(network.inputShape).toEqual({ channels: 3, height: 224, width: 224 });
    await agreesAt(network, 9, 7);
  });

  it.each<[string, (g: GraphBuilder, x: string) => string]>([
    [
      'TopK',
      (g, x) => {
        const outputs = [g.fresh('top'), g.fresh('places')];
        const axis = create(AttributeProtoSchema, {
          name: 'axis',
          type: AttributeProto_AttributeType.INT,
          i: 1n,
        });
        const input = [x, g.integers([3])];
        g.append(
          [create(NodeProtoSchema, { opType: 'TopK', input, output: outputs, attribute: [axis] })],
          [],
        );
        return outputs[0]!;
      },
    ],
    [
      'GridSample',
      (g, x) => {
        const batch = g.node('Slice', [g.node('Shape', [x]), g.integers([0]), g.integers([1])]);
        const grid = g.floats('grid', [1, 8, 8, 2], weights(128, 2));
        const sizes = g.node('Concat', [batch, g.integers([8, 8, 2])], { axis: 0 });
        return g.node('GridSample', [x, g.node('Expand', [grid, sizes])]);
      },
    ],
    [
      'If',
      (g, x) => {
        const branch = (op: string) =>
          create(AttributeProtoSchema, {
            name: op === 'Tanh' ? 'then_branch' : 'else_branch',
            type: AttributeProto_AttributeType.GRAPH,
            g: create(GraphProtoSchema, {
              name: op,
              node: [create(NodeProtoSchema, { opType: op, input: [x], output: [`${op}-of`] })],
              output: [valueInfo(`${op}-of`, undefined, ElementType.FLOAT)],
            }),
          });
        const condition = g.node('Greater', [g.node('ReduceSum', [x], { keepdims: 0 }), g.scalar(0)]);
        const output = g.fresh('chosen');
        const attribute = [branch('Tanh'), branch('Sin')];
        g.append(
          [create(NodeProtoSchema, { opType: 'If', input: [condition], output: [output], attribute })],
          [],
        );
        return output;
      },
    ],
  ])('%s between two residual blocks runs, and the blocks are found', async (_, build) => {
    const network = await agrees(
      model((g, x) => g.mean(block(g, build(g, block(g, x))), [2, 3])),
      'middle',
    );
    expect(blocksOf(network)).toHaveLength(2);
  });
});

/** As tf2onnx writes Keras' networks: images in NHWC, what they squeeze turned from NHWC again. */
describe('networks of Paddle', () => {
  it('OCR recognition, of operator set 9: a map is flattened to the extents that slices of its shape give', async () => {
    const file = model((g, x) => {
      const map = conv(g, x, 3, 4);
      const front = g.node('Slice', [g.node('Shape', [map])], { axes: [0], starts: [0], ends: [2] });
      const flat = g.node('Reshape', [map, g.node('Concat', [front, g.integers([-1])], { axis: 0 })]);
      const rows = g.node('Softmax', [g.node('Transpose', [flat], { perm: [0, 2, 1] })], { axis: 2 });
      const turned = g.node('Transpose', [rows], { perm: [0, 2, 1] });
      return conv(g, g.node('Reshape', [turned, g.integers([0, 4, 8, 8])]), 4, 2);
    }, 9);
    const network = await agrees(file, 'paddle');
    expect(kinds(network)).toEqual(['convolution', 'foreign', 'convolution']);
  });
});

describe('networks of Keras', () => {
  const layer = (
    g: GraphBuilder,
    x: string,
    from: number,
    to: number,
    attributes = {},
    side = 1,
    groups = 1,
  ) =>
    g.node('Conv', [x, floats(g, to, from / groups, side, side), floats(g, to)], {
      group: groups,
      ...attributes,
    });
  const swish = (g: GraphBuilder, x: string) => g.node('Mul', [x, g.node('Sigmoid', [x])]);
  const hardSigmoid = (g: GraphBuilder, x: string) => {
    const clipped = g.node('Clip', [g.node('Add', [x, g.scalar(3)]), g.scalar(0), g.scalar(6)]);
    return g.node('Mul', [clipped, g.scalar(1 / 6)]);
  };
  const hardSwish = (g: GraphBuilder, x: string) => g.node('Mul', [x, hardSigmoid(g, x)]);
  /** Reshape((1, 1, C)), its batch read from the value, then to NCHW for the convolution. */
  const squeezed = (g: GraphBuilder, x: string, channels: number) => {
    const mean = g.mean(x, [2, 3], { keepdims: 0 });
    const batch = g.node('Slice', [g.node('Shape', [mean]), g.integers([0]), g.integers([1])]);
    const shape = g.node('Concat', [batch, g.integers([1]), g.integers([1]), g.integers([channels])], {
      axis: 0,
    });
    return g.node('Transpose', [g.node('Reshape', [mean, shape])], { perm: [0, 3, 1, 2] });
  };
  const padded = (g: GraphBuilder, x: string, before: number, after: number) =>
    g.node('Pad', [x, g.integers([0, 0, before, before, 0, 0, after, after]), g.scalar(0)], {
      mode: 'constant',
    });

  /** Images in NHWC, rescaled and normalised before they are turned. */
  function fromImages(build: (g: GraphBuilder, x: string) => string, dims: readonly (number | string)[]) {
    const g = new Builder();
    const image = g.node('Mul', [g.input('x', dims), g.scalar(1 / 255)]);
    const centred = g.node('Sub', [image, g.floats('mean', [1, 1, 1, 3], Float32Array.of(0.4, 0.5, 0.6))]);
    const output = build(g, g.node('Transpose', [centred], { perm: [0, 3, 1, 2] }));
    return { bytes: g.finish('keras', [{ name: output }]).model, output };
  }

  /** Dense as onnxruntime has it, and masked as the reference. */
  async function imported(build: (g: GraphBuilder, x: string) => string): Promise<Network> {
    const { bytes, output } = fromImages(build, ['batch', 'height', 'width', 3]);
    const network = await importOnnx(bytes, 'keras');
    const sized = { ...network, inputShape: { channels: 3, height: 31, width: 26 } };
    const images = randomImages(sized, 2);
    const expected = await original(bytes, 'x', images.data, images.shape, output);
    const masked = { masker: 'random', rate: 0.5, granularity: 2, seed: 2 } as const;
    const plain = await run(sized, images, { ...masked, backend: 'reference' });
    for (const backend of ['reference', 'native', 'onnx', 'webgpu'] as const) {
      if ((await missingOf(backend)) !== undefined) continue;
      const dense = await run(sized, images, { backend, strategy: 'dense' });
      expect(relativeError(dense.output.data, expected), backend).toBeLessThan(1e-4);
      const sparse = await run(sized, images, { ...masked, backend });
      expect(relativeError(sparse.output.data, plain.output.data), backend).toBeLessThan(1e-4);
    }
    return network;
  }

  it('EfficientNet: its inverted bottlenecks with squeeze-and-excitation follow masks', async () => {
    const block = (g: GraphBuilder, x: string, from: number, to: number, stride: number) => {
      const wide = 3 * from;
      const expanded = swish(g, layer(g, x, from, wide));
      // ZeroPadding2D and VALID where there is a stride, SAME where there is none.
      const spatial =
        stride === 1
          ? layer(g, expanded, wide, wide, { auto_pad: 'SAME_UPPER' }, 3, wide)
          : layer(g, padded(g, expanded, 0, 1), wide, wide, { strides: [2, 2], auto_pad: 'VALID' }, 3, wide);
      const active = swish(g, spatial);
      const reduced = swish(g, layer(g, squeezed(g, active, wide), wide, 2));
      const gate = g.node('Sigmoid', [layer(g, reduced, 2, wide)]);
      const linear = layer(g, g.node('Mul', [active, gate]), wide, to);
      return from === to && stride === 1 ? g.node('Add', [linear, x]) : linear;
    };
    const network = await imported((g, x) => {
      const stem = swish(g, layer(g, padded(g, x, 0, 1), 3, 6, { strides: [2, 2] }, 3));
      const second = block(g, block(g, stem, 6, 8, 2), 8, 8, 1);
      const top = swish(g, layer(g, second, 8, 12));
      return g.node('Add', [
        g.node('MatMul', [g.mean(top, [2, 3], { keepdims: 0 }), floats(g, 12, 5)]),
        floats(g, 5),
      ]);
    });
    expect(kinds(network)).toEqual([
      // The first rescales the images.
      ...['convolution', 'convolution', 'block', 'block', 'convolution', 'global-pool', 'convolution'],
    ]);
    expect(blocksOf(network).map(({ adaptive, attention }) => [adaptive, attention?.after])).toEqual([
      [false, 1],
      [true, 1],
    ]);
  });

  it('MobileNetV3: its hard swish and hard sigmoid are activations', async () => {
    const network = await imported((g, x) => {
      const stem = hardSwish(g, layer(g, x, 3, 6, { strides: [2, 2], auto_pad: 'SAME_UPPER' }, 3));
      const expanded = hardSwish(g, layer(g, stem, 6, 18));
      const same = { auto_pad: 'SAME_UPPER' };
      const spatial = hardSwish(g, layer(g, expanded, 18, 18, same, 5, 18));
      const reduced = g.activation(layer(g, g.mean(spatial, [2, 3], { keepdims: 1 }), 18, 4), 'relu');
      const gate = hardSigmoid(g, layer(g, reduced, 4, 18));
      const sum = g.node('Add', [stem, layer(g, g.node('Mul', [spatial, gate]), 18, 6)]);
      return hardSwish(g, layer(g, g.mean(sum, [2, 3], { keepdims: 1 }), 6, 9));
    });
    expect(kinds(network)).toEqual(['convolution', 'convolution', 'block', 'global-pool', 'convolution']);
    const [block] = blocksOf(network);
    expect(block).toMatchObject({
      adaptive: true,
      kind: 'inverted',
      attention: { after: 1, gate: { activation: 'hardsigmoid' } },
    });
    expect(block!.branch.map(({ activation }) => activation)).toEqual(['hardswish', 'hardswish', 'none']);
  });
});
