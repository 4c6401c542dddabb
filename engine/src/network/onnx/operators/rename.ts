import { type GraphNode, intOf, intsOf } from '../graph.js';
import type { Handler, Scope, Value } from '../scope.js';
import { keepsZeros } from '../shape-rules.js';
import { countOf, dimsOf, isFloatType } from '../tensor.js';

/** The same numbers under another rank: only between `[N, C, 1, 1]` and `[N, C]`. */
function renamed(
  node: GraphNode,
  scope: Scope,
  rank: 2 | 4,
): { readonly alias: string; readonly value: Value } | undefined {
  const value = scope.value(node, 0);
  if (!value || (value.rank === 4 && !value.pooled)) return undefined;
  return { alias: scope.resolve(node.inputs[0]!), value: { ...value, rank, pooled: true } };
}

export const reshape: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const shape = scope.integers(node, 1);
  if (!keepsZeros(node, shape)) return undefined;
  if (movesChannelsLast(node, scope)) {
    const outcome = renamed(node, scope, 4);
    return outcome && { ...outcome, value: { ...outcome.value, channelsLast: true } };
  }
  const keeps = (extent: number | undefined) => extent === -1 || extent === value?.channels;
  if (shape?.length === 2 && (shape[0]! <= 1 ? keeps(shape[1]) : shape[1] === value?.channels)) {
    return renamed(node, scope, 2);
  }
  if (shape?.length === 4 && keeps(shape[1]) && shape[2] === 1 && shape[3] === 1)
    return renamed(node, scope, 4);
  if (shape) return undefined;
  // A shape computed in the graph: an operator that multiplies the result by a matrix of C rows must have got [N, C].
  const readers = scope.consumersOf(node.outputs[0]!);
  const needsRows = (reader: GraphNode) => {
    const matrix = reader.op === 'Gemm' || reader.op === 'MatMul' ? scope.constant(reader, 1) : undefined;
    const rows = matrix && dimsOf(matrix)[intOf(reader, 'transB', 0) !== 0 ? 1 : 0];
    return rows !== undefined && rows === value?.channels;
  };
  return readers.length > 0 && readers.every(needsRows) ? renamed(node, scope, 2) : undefined;
};

/** Moves the channels of `[N, 1, 1, C]`, as Keras squeezes them, before the map. */
const toNchw = '0,3,1,2';

/** Whether a pooled value is reshaped to `[N, 1, 1, C]`, and turned back by what reads it. */
function movesChannelsLast(node: GraphNode, scope: Scope): boolean {
  const [batch, height, width, channels] = scope.dims(node.outputs[0]!) ?? [];
  const readers = scope.consumersOf(node.outputs[0]!);
  return (
    channels !== undefined &&
    channels === scope.value(node, 0)?.channels &&
    batch === 1 &&
    height === 1 &&
    width === 1 &&
    readers.length > 0 &&
    readers.every((reader) => reader.op === 'Transpose' && intsOf(reader, 'perm')?.join() === toNchw)
  );
}

/** Of values `[N, 1, 1, C]` only: the one order that makes maps of them. */
export const transpose: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  if (!value?.channelsLast || intsOf(node, 'perm')?.join() !== toNchw) return undefined;
  const { channelsLast: _, ...turned } = value;
  return { alias: scope.resolve(node.inputs[0]!), value: turned };
};

/**
 * Every number of a flattened value in its order, under the extents it had: PyTorch writes `as_strided` so, behind the pool
 * of ConvNeXt's head.
 */
export const gather: Handler = (node, scope) => {
  const flat = scope.producer(node, 0);
  const [shape, places] = [flat && scope.integers(flat, 1), scope.constant(node, 1)];
  if (flat?.op !== 'Reshape' || flat.domain !== '' || shape?.join() !== '-1') return undefined;
  const value = scope.value(flat, 0);
  const dims = scope.dims(flat.inputs[0]!);
  if (!value || !places || intOf(node, 'axis', 0) !== 0 || dims?.join() !== dimsOf(places).join())
    return undefined;
  scope.spend(countOf(dims));
  const inOrder = scope.integers(node, 1)?.every((place, i) => place === i);
  return inOrder ? { alias: scope.resolve(flat.inputs[0]!), value } : undefined;
};

export const flatten: Handler = (node, scope) =>
  intOf(node, 'axis', 1) === 1 ? renamed(node, scope, 2) : undefined;

export const squeeze: Handler = (node, scope) => {
  const axes = (intsOf(node, 'axes') ?? scope.integers(node, 1))?.map((axis) => (axis < 0 ? axis + 4 : axis));
  return axes?.sort((a, b) => a - b).join() === '2,3' ? renamed(node, scope, 2) : undefined;
};

export const unsqueeze: Handler = (node, scope) => {
  const axes = (intsOf(node, 'axes') ?? scope.integers(node, 1))?.map((axis) => (axis < 0 ? axis + 4 : axis));
  return axes?.sort((a, b) => a - b).join() === '2,3' ? renamed(node, scope, 4) : undefined;
};

/** A dropout without a training input and with an unused mask output. */
export const dropout: Handler = (node, scope) => {
  const trains = scope.hasInput(node, 2) && scope.integers(node, 2)?.[0] !== 0;
  return trains || scope.isRead(node.outputs[1]) ? undefined : identity(node, scope);
};

export const identity: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  return { alias: scope.resolve(node.inputs[0]!), ...(value ? { value } : {}) };
};

/** Every float format is computed as float32, so a cast between them changes nothing. */
export const cast: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  return value && isFloatType(intOf(node, 'to', 0))
    ? { alias: scope.resolve(node.inputs[0]!), value }
    : undefined;
};
