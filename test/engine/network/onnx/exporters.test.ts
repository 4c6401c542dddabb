import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { blocksOf, type Network } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { GraphBuilder as Builder, valueInfo } from '../../../../engine/src/network/onnx/builder.js';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  SparseTensorProtoSchema,
} from '../../../../engine/src/network/onnx/generated/onnx_pb.js';
import { ElementType, floatTensor, integerTensor } from '../../../../engine/src/network/onnx/tensor.js';
import { agrees, agreesAt, conv, floats, model, weights } from '../../support/onnx-graphs.js';

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
  ])('%s between two residual blocks runs, and the blocks are found', async (name, build) => {
    const network = await agrees(
      model((g, x) => g.mean(block(g, build(g, block(g, x))), [2, 3])),
      'middle',
      name !== 'If',
    );
    expect(blocksOf(network)).toHaveLength(2);
  });
});
