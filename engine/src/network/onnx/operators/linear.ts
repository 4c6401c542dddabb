import { floatOf, type GraphNode, intOf } from '../graph.js';
import { nodeLabel } from '../node-labels.js';
import type { Handler, Outcome, Scope } from '../scope.js';
import { countOf, dimsOf, isFloatType } from '../tensor.js';

/** A fully connected layer: `weight` is `(outChannels, inChannels)`. */
function linear(
  node: GraphNode,
  scope: Scope,
  weight: Float32Array,
  bias: Float32Array,
  inChannels: number,
): Outcome {
  const weightName = scope.resolve(node.inputs[1]!);
  return {
    draft: {
      kind: 'convolution',
      ...scope.base(node, scope.inputs(node, 0), weightName),
      convolution: {
        name: nodeLabel(node, weightName),
        inChannels,
        outChannels: bias.length,
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0, 0, 0, 0],
        dilation: [1, 1],
        groups: 1,
        weight,
        bias,
        activation: 'none',
      },
    },
    value: { rank: 2, channels: bias.length, pooled: true },
  };
}

/** A matrix of `rows` x `columns` with its axes exchanged. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j]!;
  return result;
}

export const gemm: Handler = (node, scope) => {
  const matrix = scope.constant(node, 1);
  const input = scope.value(node, 0);
  if (!matrix || input?.rank !== 2 || intOf(node, 'transA', 0) !== 0) return undefined;
  const dims = dimsOf(matrix);
  if (dims.length !== 2 || countOf(dims) === 0)
    scope.fail(node, `has a weight of shape [${dims.join(', ')}]; two extents are accepted`);
  const turned = intOf(node, 'transB', 0) !== 0;
  const [outChannels, inChannels] = (turned ? dims : [dims[1], dims[0]]) as [number, number];
  if (input.channels !== undefined && input.channels !== inChannels) {
    scope.fail(node, `reads ${inChannels} channels, ${JSON.stringify(node.inputs[0])} has ${input.channels}`);
  }
  const alpha = floatOf(node, 'alpha', 1);
  const beta = floatOf(node, 'beta', 1);
  const values = scope.weights(matrix);
  const weight = turned ? values : transposed(values, inChannels, outChannels);
  const addend = scope.constant(node, 2);
  const added = scope.hasInput(node, 2) ? scope.floats(node, 2) : new Float32Array(1);
  // A column would be added image by image.
  const wide = addend && dimsOf(addend).some((extent, axis, all) => extent > 1 && axis < all.length - 1);
  if (!added || wide || (added.length !== 1 && added.length !== outChannels)) return undefined;
  const bias = Float32Array.from(
    { length: outChannels },
    (_, c) => beta * added[added.length === 1 ? 0 : c]!,
  );
  return linear(node, scope, alpha === 1 ? weight : weight.map((value) => alpha * value), bias, inChannels);
};

export const matMul: Handler = (node, scope) => {
  const matrix = scope.constant(node, 1);
  const input = scope.value(node, 0);
  const dims = matrix && dimsOf(matrix);
  if (
    !dims ||
    !isFloatType(matrix.dataType) ||
    input?.rank !== 2 ||
    dims.length !== 2 ||
    countOf(dims) === 0
  ) {
    return undefined;
  }
  const [inChannels, outChannels] = dims as [number, number];
  if (input.channels !== undefined && input.channels !== inChannels) {
    scope.fail(node, `reads ${inChannels} channels, ${JSON.stringify(node.inputs[0])} has ${input.channels}`);
  }
  const weight = transposed(scope.weights(matrix), inChannels, outChannels);
  return linear(node, scope, weight, new Float32Array(outChannels), inChannels);
};
