import type { TensorProto } from './generated/onnx_pb.js';
import { type GraphNode, intOf, intsOf, stringOf } from './graph.js';
import { countOf, dimsOf, numberValues } from './tensor.js';

/** Extents of a value, or undefined where they cannot be known. */
export type Dims = readonly number[] | undefined;

export interface Inference {
  readonly shapes: Map<string, Dims>;
  /** Small integer values that are known, for shapes computed inside the graph. */
  readonly integers: Map<string, readonly number[]>;
  /** Values that hold numbers other than floats. */
  readonly nonFloat: Set<string>;
  readonly constants: ReadonlyMap<string, TensorProto>;
}

const sameShape = new Set([
  ...[
    'Relu',
    'LeakyRelu',
    'Sigmoid',
    'HardSigmoid',
    'HardSwish',
    'Tanh',
    'Clip',
    'Elu',
    'Selu',
    'Celu',
    'Gelu',
    'ThresholdedRelu',
    'Hardmax',
    'MeanVarianceNormalization',
    'Shrink',
  ],
  ...[
    'Softplus',
    'Softsign',
    'Mish',
    'Erf',
    'Exp',
    'Log',
    'Sqrt',
    'Abs',
    'Neg',
    'Floor',
    'Ceil',
    'Round',
    'Cast',
    'Sin',
    'Cos',
    'Tan',
    'Sinh',
    'Cosh',
    'Atan',
    'QuantizeLinear',
    'DequantizeLinear',
  ],
  ...[
    'Reciprocal',
    'Softmax',
    'LogSoftmax',
    'BatchNormalization',
    'InstanceNormalization',
    'GroupNormalization',
  ],
  ...[
    'LayerNormalization',
    'RMSNormalization',
    'LpNormalization',
    'LRN',
    'Identity',
    'Dropout',
    'PRelu',
    'Not',
    'Sign',
    'Swish',
  ],
]);
const broadcasting = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Mod',
  'Pow',
  'Min',
  'Max',
  'Where',
  'Greater',
  'Less',
  'Equal',
  'GreaterOrEqual',
  'LessOrEqual',
  'And',
  'Or',
  'Xor',
  'Sum',
  'Mean',
]);

/**
 * Whether an extent of 0 in the shape that a Reshape asks for would be one that is kept. With `allowzero`, which PyTorch's
 * exporter always sets, it would be an extent of nothing; a shape without zeros means the same either way.
 */
export const keepsZeros = (node: GraphNode, shape: readonly number[] | undefined): boolean =>
  intOf(node, 'allowzero', 0) === 0 || shape?.includes(0) === false;

/**
 * Extents that an operator writes; an empty list where they cannot be known.
 * @param shapes extents of what it reads
 */
export function outputShapes(
  node: GraphNode,
  shapes: readonly Dims[],
  { integers, constants }: Inference,
): Dims[] {
  const [first, second] = shapes;
  if (sameShape.has(node.op)) return [first];
  if (broadcasting.has(node.op)) return [broadcast(shapes)];
  const list = (index: number) => integers.get(node.inputs[index] ?? '');
  const has = (index: number) => (node.inputs[index] ?? '') !== '';
  const axesOf = (rank: number, index = 1) =>
    (intsOf(node, 'axes') ?? list(index))?.map((axis) => (axis < 0 ? axis + rank : axis));
  if (!first) return [];
  const rank = first.length;
  const axis = (otherwise: number) => {
    const given = intOf(node, 'axis', otherwise);
    return given < 0 ? given + rank : given;
  };
  switch (node.op) {
    case 'Conv':
      return [second && slide(node, first, second[0]!, second.slice(2), false)];
    case 'ConvTranspose':
      return [second && transposed(node, first, second)];
    case 'MaxPool':
    case 'AveragePool':
    case 'LpPool':
      return [
        slide(node, first, first[1]!, intsOf(node, 'kernel_shape') ?? [], intOf(node, 'ceil_mode', 0) === 1),
      ];
    case 'GlobalAveragePool':
    case 'GlobalMaxPool':
      return [[first[0]!, first[1]!, ...first.slice(2).map(() => 1)]];
    case 'Flatten': {
      const at = axis(1);
      return [[countOf(first.slice(0, at)), countOf(first.slice(at))]];
    }
    case 'Gemm':
      return [
        second && [first[intOf(node, 'transA', 0) ? 1 : 0]!, second[intOf(node, 'transB', 0) ? 0 : 1]!],
      ];
    case 'MatMul':
      return [second && second.length >= 2 && rank >= 2 ? matrixProduct(first, second) : undefined];
    case 'Reshape':
      return [keepsZeros(node, list(1)) ? reshaped(first, list(1)) : undefined];
    case 'Transpose':
      return [(intsOf(node, 'perm') ?? first.map((_, i) => rank - 1 - i)).map((source) => first[source]!)];
    case 'Concat': {
      if (shapes.some((dims) => dims?.length !== rank)) return [];
      const at = axis(1);
      const total = shapes.reduce((sum, dims) => sum + dims![at]!, 0);
      return [first.map((extent, i) => (i === at ? total : extent))];
    }
    case 'Split': {
      const at = axis(0);
      const parts = intsOf(node, 'split') ?? list(1);
      if (!parts && has(1)) return [];
      const even = Math.ceil(first[at]! / node.outputs.length);
      return node.outputs.map((_, part) =>
        first.map((extent, i) =>
          i !== at ? extent : (parts?.[part] ?? Math.min(even, Math.max(0, extent - part * even))),
        ),
      );
    }
    case 'Slice':
      return [sliced(node, first, integers)];
    case 'Squeeze': {
      const axes = axesOf(rank);
      if (!axes && has(1)) return [];
      return [first.filter((extent, i) => (axes ? !axes.includes(i) : extent !== 1))];
    }
    case 'Unsqueeze': {
      const added = axesOf(rank + (intsOf(node, 'axes') ?? list(1) ?? []).length);
      if (!added) return [];
      const rest = [...first];
      return [Array.from({ length: rank + added.length }, (_, i) => (added.includes(i) ? 1 : rest.shift()!))];
    }
    case 'ReduceMean':
    case 'ReduceSum':
    case 'ReduceMax':
    case 'ReduceMin':
    case 'ReduceL2': {
      const given = axesOf(rank);
      if (!given && (has(1) || intOf(node, 'noop_with_empty_axes', 0) !== 0)) return [];
      const axes = given && given.length > 0 ? given : first.map((_, i) => i);
      const kept = intOf(node, 'keepdims', 1) === 1;
      return [first.flatMap((extent, i) => (!axes.includes(i) ? [extent] : kept ? [1] : []))];
    }
    case 'Gather': {
      const at = axis(0);
      return [second && [...first.slice(0, at), ...second, ...first.slice(at + 1)]];
    }
    case 'Pad': {
      const pads = intsOf(node, 'pads') ?? list(1);
      if (!pads || pads.length !== 2 * rank || has(3)) return [];
      return [first.map((extent, i) => extent + pads[i]! + pads[rank + i]!)];
    }
    case 'Resize':
    case 'Upsample': {
      if (['axes', 'keep_aspect_ratio_policy'].some((name) => node.attributes.has(name))) return [];
      const scales = constants.get(node.inputs[node.op === 'Upsample' ? 1 : 2] ?? '');
      const sizes = list(3);
      const factors = scales && countOf(dimsOf(scales)) === rank ? numberValues(scales) : undefined;
      return [
        sizes?.length === rank
          ? sizes
          : factors && first.map((extent, i) => Math.floor(extent * factors[i]!)),
      ];
    }
    case 'DepthToSpace': {
      const size = intOf(node, 'blocksize', 1);
      return [[first[0]!, first[1]! / size ** 2, first[2]! * size, first[3]! * size]];
    }
    case 'SpaceToDepth': {
      const size = intOf(node, 'blocksize', 1);
      return [[first[0]!, first[1]! * size ** 2, first[2]! / size, first[3]! / size]];
    }
    case 'Expand': {
      const wanted = list(1);
      return [wanted && broadcast([first, wanted])];
    }
    case 'Tile': {
      const repeats = list(1);
      return [repeats?.length === rank ? first.map((extent, i) => extent * repeats[i]!) : undefined];
    }
    case 'ConstantOfShape':
      return [list(0)];
    case 'Shape':
      return [[rank]];
    default:
      return [];
  }
}

function broadcast(shapes: readonly Dims[]): Dims {
  if (shapes.length === 0 || shapes.some((dims) => dims === undefined)) return undefined;
  const rank = Math.max(...shapes.map((dims) => dims!.length));
  return Array.from({ length: rank }, (_, i) => {
    const extents = shapes.map((dims) => dims![dims!.length - rank + i] ?? 1);
    return extents.find((extent) => extent !== 1) ?? 1;
  });
}

/** Convolution and pooling windows by ONNX's rule. */
function slide(
  node: GraphNode,
  input: readonly number[],
  channels: number,
  kernel: readonly number[],
  ceil: boolean,
): Dims {
  const spatial = input.slice(2);
  if (kernel.length !== spatial.length) return undefined;
  const strides = intsOf(node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsOf(node, 'dilations') ?? kernel.map(() => 1);
  const pads = intsOf(node, 'pads') ?? kernel.flatMap(() => [0, 0]);
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  const extents = spatial.map((size, i) => {
    if (auto.startsWith('SAME')) return Math.ceil(size / strides[i]!);
    const padded = auto === 'VALID' ? size : size + pads[i]! + pads[i + kernel.length]!;
    const span = (padded - dilations[i]! * (kernel[i]! - 1) - 1) / strides[i]!;
    if (!ceil) return Math.floor(span) + 1;
    const extent = Math.ceil(span) + 1;
    return (extent - 1) * strides[i]! >= size + pads[i]! ? extent - 1 : extent;
  });
  return [input[0]!, channels, ...extents];
}

function transposed(node: GraphNode, input: readonly number[], weight: readonly number[]): Dims {
  const kernel = weight.slice(2);
  const spatial = input.slice(2);
  const byRule = !node.attributes.has('output_shape') && stringOf(node, 'auto_pad', 'NOTSET') === 'NOTSET';
  if (!byRule || kernel.length !== spatial.length) return undefined;
  const strides = intsOf(node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsOf(node, 'dilations') ?? kernel.map(() => 1);
  const pads = intsOf(node, 'pads') ?? kernel.flatMap(() => [0, 0]);
  const extra = intsOf(node, 'output_padding') ?? kernel.map(() => 0);
  const extents = spatial.map(
    (size, i) =>
      strides[i]! * (size - 1) +
      extra[i]! +
      (kernel[i]! - 1) * dilations[i]! +
      1 -
      pads[i]! -
      pads[i + kernel.length]!,
  );
  return [input[0]!, weight[1]! * intOf(node, 'group', 1), ...extents];
}

function matrixProduct(a: readonly number[], b: readonly number[]): Dims {
  const outer = broadcast([a.slice(0, -2), b.slice(0, -2)]);
  return outer && [...outer, a[a.length - 2]!, b[b.length - 1]!];
}

function reshaped(input: readonly number[], wanted: readonly number[] | undefined): Dims {
  if (!wanted) return undefined;
  const dims = wanted.map((extent, i) => (extent === 0 ? (input[i] ?? Number.NaN) : extent));
  const known = countOf(dims.filter((extent) => extent !== -1));
  return dims.map((extent) => (extent === -1 ? countOf(input) / known : extent));
}

function sliced(
  node: GraphNode,
  input: readonly number[],
  integers: ReadonlyMap<string, readonly number[]>,
): Dims {
  const list = (index: number) => integers.get(node.inputs[index] ?? '');
  const starts = intsOf(node, 'starts') ?? list(1);
  const ends = intsOf(node, 'ends') ?? list(2);
  if (!starts || !ends) return undefined;
  const axes = intsOf(node, 'axes') ?? list(3) ?? starts.map((_, i) => i);
  const steps = list(4) ?? starts.map(() => 1);
  const dims = [...input];
  for (const [i, given] of axes.entries()) {
    const at = given < 0 ? given + input.length : given;
    const size = input[at];
    const step = steps[i];
    if (size === undefined || !step) return undefined;
    const clamp = (position: number) => {
      const from = position < 0 ? position + size : position;
      return step > 0 ? Math.min(Math.max(from, 0), size) : Math.min(Math.max(from, -1), size - 1);
    };
    dims[at] = Math.max(0, Math.ceil((clamp(ends[i]!) - clamp(starts[i]!)) / step));
  }
  return dims;
}
