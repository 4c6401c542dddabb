import type { TensorProto } from './generated/onnx_pb.js';
import { type GraphNode, intOf, intsOf } from './graph.js';
import { attendedShape } from './pixels/attention-operator.js';
import { type Dims, type Inference, outputShapes } from './shape-rules.js';
import { countOf, dimsOf, ElementType, isFloatType, numberValues } from './tensor.js';

/**
 * Shape inference for the operators that convolutional networks use besides those the engine has nodes for.
 * It follows the ONNX operator specification; an operator it does not know leaves its outputs unknown.
 */

export type { Dims, Inference } from './shape-rules.js';

/** Longest list of integers worth following. */
const mostIntegers = 64;
/** Highest rank worth following. */
const highestRank = 16;

/**
 * Infers the shapes of all values.
 * @param inputs shapes of the graph's inputs
 */
export function inferShapes(
  nodes: readonly GraphNode[],
  constants: ReadonlyMap<string, TensorProto>,
  inputs: ReadonlyMap<string, Dims>,
): Inference {
  const state = beginInference(constants, inputs);
  for (const node of nodes) inferNode(node, state);
  return state;
}

/** What is known before the first operator. */
export function beginInference(
  constants: ReadonlyMap<string, TensorProto>,
  inputs: ReadonlyMap<string, Dims>,
): Inference {
  const state: Inference = { shapes: new Map(inputs), integers: new Map(), nonFloat: new Set(), constants };
  for (const [name, tensor] of constants) {
    const dims = dimsOf(tensor);
    state.shapes.set(name, dims);
    if (isFloatType(tensor.dataType)) continue;
    state.nonFloat.add(name);
    if (countOf(dims) <= mostIntegers && tensor.dataType !== ElementType.STRING) {
      state.integers.set(name, numberValues(tensor));
    }
  }
  return state;
}

/** Adds what one operator writes; all that it reads must have been seen before. */
export function inferNode(node: GraphNode, state: Inference): void {
  const shapes = node.inputs.map((name) => (name === '' ? undefined : state.shapes.get(name)));
  const outputs = node.domain === '' ? outputShapes(node, shapes, state) : [attendedShape(node, shapes)];
  node.outputs.forEach((name, i) => {
    const dims = outputs[i];
    const sane =
      dims &&
      dims.length <= highestRank &&
      dims.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
    state.shapes.set(name, sane ? dims : undefined);
  });
  const values = node.domain === '' ? integersOf(node, shapes, state) : undefined;
  const output = node.outputs[0] ?? '';
  if (values && values.length <= mostIntegers) state.integers.set(output, values);
  const nonFloat = values !== undefined || (node.domain === '' && writesNoFloats(node, state));
  if (nonFloat) for (const name of node.outputs) state.nonFloat.add(name);
  // Places, beside the values that were found there.
  for (const name of node.outputs.slice(1)) if (writesPlaces.has(node.op)) state.nonFloat.add(name);
}

/** Operators that write integers or truth values, whatever they read. */
const alwaysInteger = new Set([
  'Shape',
  'Size',
  'ArgMax',
  'ArgMin',
  'NonZero',
  'NonMaxSuppression',
  'Multinomial',
  'Greater',
  'Less',
  'Equal',
  'Not',
  'And',
  'Or',
  'Xor',
  'GreaterOrEqual',
  'LessOrEqual',
  'IsNaN',
  'IsInf',
  'QuantizeLinear',
  'DynamicQuantizeLinear',
]);

/** Operators whose outputs after the first are integers. */
const writesPlaces = new Set(['TopK', 'MaxPool', 'Unique']);

/** Operators that write floats, or what their bodies decide, whatever they read. */
const alwaysFloat = new Set([
  ...['DequantizeLinear', 'RandomNormalLike', 'RandomUniformLike', 'TfIdfVectorizer', 'MelWeightMatrix'],
  ...['HannWindow', 'HammingWindow', 'BlackmanWindow', 'If', 'Loop', 'Scan'],
]);

/** The input whose type an operator's output has, where that is not the first. */
const typedBy: Readonly<Record<string, number>> = { Where: 1, CastLike: 1, OneHot: 2 };

/** Whether an operator's first output holds other numbers than floats. */
function writesNoFloats(node: GraphNode, { nonFloat }: Inference): boolean {
  const { op, inputs, attributes } = node;
  if (alwaysInteger.has(op)) return true;
  if (alwaysFloat.has(op)) return false;
  if (op === 'Cast' || op === 'EyeLike')
    return !isFloatType(intOf(node, op === 'Cast' ? 'to' : 'dtype', ElementType.FLOAT));
  if (op === 'ConstantOfShape')
    return !isFloatType(attributes.get('value')?.t?.dataType ?? ElementType.FLOAT);
  return nonFloat.has(inputs[typedBy[op] ?? 0] ?? '');
}

/** The integers that a shape computation yields, where all it reads is known. */
function integersOf(
  node: GraphNode,
  shapes: readonly Dims[],
  { integers }: Inference,
): readonly number[] | undefined {
  const [a, b] = node.inputs.map((name) => integers.get(name));
  switch (node.op) {
    case 'Shape': {
      const dims = shapes[0];
      if (!dims) return undefined;
      const start = intOf(node, 'start', 0);
      return dims.slice(start, node.attributes.has('end') ? intOf(node, 'end', dims.length) : undefined);
    }
    case 'Identity':
    case 'Cast':
    case 'Unsqueeze':
    case 'Squeeze':
    case 'Reshape':
      return a;
    case 'Gather':
      return a && b ? b.map((index) => a[index < 0 ? index + a.length : index] ?? Number.NaN) : undefined;
    case 'Concat': {
      const parts = node.inputs.map((name) => integers.get(name));
      return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
    }
    case 'Slice': {
      const list = node.inputs.slice(1).map((name) => integers.get(name)?.[0]);
      // Before operator set 10 they were attributes.
      const [from = intsOf(node, 'starts')?.[0], to = intsOf(node, 'ends')?.[0], , steps] = list;
      return a && from !== undefined && to !== undefined && (steps ?? 1) === 1
        ? a.slice(from, to)
        : undefined;
    }
    case 'Add':
    case 'Sub':
    case 'Mul':
    case 'Div':
    case 'Mod': {
      if (!a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined;
      const length = Math.max(a.length, b.length);
      return Array.from({ length }, (_, i) =>
        combine(node, a[a.length === 1 ? 0 : i]!, b[b.length === 1 ? 0 : i]!),
      );
    }
    default:
      return undefined;
  }
}

function combine(node: GraphNode, a: number, b: number): number {
  switch (node.op) {
    case 'Add':
      return a + b;
    case 'Sub':
      return a - b;
    case 'Mul':
      return a * b;
    case 'Div':
      return Math.trunc(a / b);
  }
  // Of the divisor's sign, or with fmod of the dividend's.
  return intOf(node, 'fmod', 0) === 0 ? a - b * Math.floor(a / b) : a % b;
}
