import { create } from '@bufbuild/protobuf';
import type { Network } from '@fovea/engine';
import { importOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  NodeProtoSchema,
} from '../../../../engine/src/network/onnx/generated/onnx_pb.js';
import { agrees, conv, model, weights } from '../../support/onnx-graphs.js';

const operators = (network: Network) =>
  network.nodes.map((node) => (node.kind === 'foreign' ? node.operators.join() : node.kind));

/** A batch norm in the form that exporters before operator set 14 gave it in training mode. */
function trainingNorm(graph: GraphBuilder, x: string, channels: number): string {
  const parameter = (name: string, offset: number) =>
    graph.floats(
      graph.fresh(name),
      [channels],
      weights(channels, offset).map((value) => value + 2),
    );
  const outputs = [0, 1, 2, 3, 4].map(() => graph.fresh('norm'));
  const input = [
    x,
    parameter('scale', 1),
    parameter('shift', 2),
    parameter('mean', 3),
    parameter('variance', 4),
  ];
  graph.append([create(NodeProtoSchema, { opType: 'BatchNormalization', input, output: outputs })], []);
  return outputs[0]!;
}

describe('an operator with an input, output or attribute that the importer does not know of', () => {
  it('runs as it stands: a batch norm in training mode before operator set 14', async () => {
    const network = await agrees(
      model((g, x) => conv(g, trainingNorm(g, conv(g, x, 3, 4), 4), 4, 2), 9),
      'norm',
    );
    expect(operators(network)).toEqual(['convolution', 'BatchNormalization', 'convolution']);
  });

  it('runs as it stands: padding with a value that the graph computes', async () => {
    const network = await agrees(
      model((g, x) => {
        const most = g.node('ReduceMax', [x], { keepdims: 0 });
        return conv(g, g.node('Pad', [x, g.integers([0, 0, 1, 1, 0, 0, 1, 1]), most]), 3, 4);
      }),
      'padding',
    );
    expect(operators(network)).toEqual(['ReduceMax,Pad', 'convolution']);
  });

  it('runs as it stands: a matrix product with a bias for each image', async () => {
    const network = await agrees(
      model((g, x) => {
        const vector = g.node('Flatten', [g.node('GlobalAveragePool', [conv(g, x, 3, 4)])], { axis: 1 });
        const bias = g.floats('bias', [2, 1], Float32Array.of(1, 2));
        return g.node('Gemm', [vector, g.floats('fc', [4, 2], weights(8, 3)), bias]);
      }),
      'column',
    );
    expect(operators(network)).toEqual(['convolution', 'global-pool', 'Flatten,Gemm']);
  });

  it('runs as it stands: an attribute', async () => {
    const network = await importOnnx(
      model((g, x) => {
        const attribute = create(AttributeProtoSchema, {
          name: 'negative_slope',
          type: AttributeProto_AttributeType.FLOAT,
          f: 0.5,
        });
        const input = [conv(g, x, 3, 4)];
        g.append(
          [create(NodeProtoSchema, { opType: 'Relu', input, output: ['y'], attribute: [attribute] })],
          [],
        );
        return conv(g, 'y', 4, 2);
      }),
      'attribute',
    );
    expect(operators(network)).toEqual(['convolution', 'Relu', 'convolution']);
  });
});
