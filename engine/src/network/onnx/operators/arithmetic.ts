import { foldBatchNorm } from '../../batch-norm.js';
import { everyNth } from '../../every-nth.js';
import type { AffineDraft } from '../draft.js';
import type { TensorProto } from '../generated/onnx_pb.js';
import { floatOf, type GraphNode, intOf } from '../graph.js';
import type { Handler, Outcome, Scope, Value } from '../scope.js';
import { dimsOf, float32Values, isFloatType, numberValues } from '../tensor.js';
import { identity } from './rename.js';

export const batchNorm: Handler = (node, scope) => {
  const input = scope.value(node, 0);
  const [scale, shift, mean, variance] = [1, 2, 3, 4].map((index) => scope.floats(node, index));
  if (!input || !scale || !shift || !mean || !variance || intOf(node, 'training_mode', 0) !== 0)
    return undefined;
  const lengths = [scale, shift, mean, variance].map(({ length }) => length);
  if (lengths.some((length) => length !== (input.channels ?? lengths[0]))) {
    scope.fail(
      node,
      `has parameters of ${lengths.join(', ')} values for ${input.channels ?? lengths[0]} channels`,
    );
  }
  const epsilon = floatOf(node, 'epsilon', 1e-5);
  const folded = foldBatchNorm(new Float32Array(scale.length).fill(1), undefined, {
    scale,
    shift,
    mean,
    variance,
    epsilon,
  });
  return affine(node, scope, 0, { ...input, channels: scale.length }, folded.weight, folded.bias);
};

function affine(
  node: GraphNode,
  scope: Scope,
  index: number,
  value: Value,
  scale: Float32Array,
  shift: Float32Array,
): Outcome {
  return { draft: { kind: 'affine', ...scope.base(node, scope.inputs(node, index)), scale, shift }, value };
}

/** A constant that has one value per channel of `value`, or one for all; undefined when it varies otherwise. */
export function perChannel(tensor: TensorProto, value: Value, scope: Scope): Float32Array | undefined {
  const dims = dimsOf(tensor);
  const { channels, rank } = value;
  if (channels === undefined || dims.length > rank || !isFloatType(tensor.dataType)) return undefined;
  const aligned = [...new Array<number>(rank - dims.length).fill(1), ...dims];
  if (aligned.some((extent, axis) => extent !== 1 && !(axis === 1 && extent === channels))) return undefined;
  scope.spend(3 * channels);
  const values = float32Values(tensor);
  return values.length === channels ? values : new Float32Array(channels).fill(values[0]!);
}

/** `a − b` is the sum of a and −b; a convolution before b takes the sign over. */
function difference(node: GraphNode, scope: Scope, a: Value): Outcome {
  const [minuend] = scope.inputs(node, 0);
  const negated = `${node.outputs[0]}/negated`;
  const first = negation(node, scope, 1, negated);
  const draft = { kind: 'add', ...scope.base(node, [minuend!, negated]), activation: 'none' } as const;
  return first && { first, draft, value: a };
}

/** Minus an input of an operator. */
function negation(node: GraphNode, scope: Scope, index: number, output: string): AffineDraft | undefined {
  const channels = scope.value(node, index)?.channels;
  if (channels === undefined) return undefined;
  scope.spend(2 * channels);
  return {
    kind: 'affine',
    ...scope.base(node, scope.inputs(node, index)),
    outputs: [output],
    scale: new Float32Array(channels).fill(-1),
    shift: new Float32Array(channels),
  };
}

/** `−x` */
export const negative: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const draft = value && negation(node, scope, 0, node.outputs[0]!);
  return draft && { draft, value };
};

/** `x²` is the product of a value and itself. */
export const power: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const exponent = scope.constant(node, 1);
  if (!value || !exponent || !isScalar(exponent, 2)) return undefined;
  const [input] = scope.inputs(node, 0);
  return { draft: { kind: 'multiply', ...scope.base(node, [input!, input!]), fits: true }, value };
};

const isScalar = (tensor: TensorProto, wanted: number) => {
  const values = dimsOf(tensor).length <= 1 ? numberValues(tensor) : [];
  return values.length === 1 && values[0] === wanted;
};

/** Whether extents are those of what scales the channels of a map, or its pixels. */
const scales = (scale: readonly number[], map: readonly number[]) =>
  scale.length === map.length &&
  (scale.every((extent, axis) => extent === (axis < 2 ? map[axis] : 1)) ||
    scale.every((extent, axis) => extent === (axis === 1 ? 1 : map[axis])));

/** A value for each channel times one for each pixel: those of the pixels become those of all channels first. */
function outerProduct(node: GraphNode, scope: Scope, values: readonly [Value, Value]): Outcome {
  const at = values[0].pooled ? 0 : 1;
  const [vector, pixels] = [values[at], values[1 - at]!];
  const { channels } = vector;
  if (!vector.pooled || pixels.pooled || channels === undefined || pixels.channels !== 1) return undefined;
  scope.spend(2 * channels);
  const spread = `${node.outputs[0]}/spread`;
  const [scale] = scope.inputs(node, at);
  const base = scope.base(node, scope.inputs(node, 1 - at));
  const convolution = { ...everyNth(base.label, channels, [1, 1]), inChannels: 1, groups: 1 };
  const first = { kind: 'convolution', ...base, outputs: [spread], convolution } as const;
  const draft = { kind: 'multiply', ...scope.base(node, [spread, scale!]), fits: true } as const;
  return { first, draft, value: { ...pixels, channels } };
}

export const arithmetic: Handler = (node, scope) => {
  // A sum of one value is that value; one of three and more is left to onnxruntime.
  if (node.op === 'Sum' && node.inputs.length === 1) return identity(node, scope);
  const values = [scope.value(node, 0), scope.value(node, 1)] as const;
  const at = values[0] ? 0 : 1;
  const value = values[at];
  const constant = scope.constant(node, 1 - at);
  if (value && constant) {
    const operand = perChannel(constant, value, scope);
    if (!operand) return undefined;
    const same = (factor: number) => new Float32Array(operand.length).fill(factor);
    switch (node.op) {
      case 'Add':
      case 'Sum':
        return affine(node, scope, at, value, same(1), operand);
      case 'Mul':
        return affine(node, scope, at, value, operand, same(0));
      case 'Sub':
        return at === 0
          ? affine(
              node,
              scope,
              at,
              value,
              same(1),
              operand.map((x) => -x),
            )
          : affine(node, scope, at, value, same(-1), operand);
      default:
        return at === 0
          ? affine(
              node,
              scope,
              at,
              value,
              operand.map((x) => 1 / x),
              same(0),
            )
          : undefined;
    }
  }
  if (!values[0] || !values[1]) return undefined;
  const [a, b] = [scope.dims(node.inputs[0]!), scope.dims(node.inputs[1]!)];
  const equal = a !== undefined && a.join() === b?.join() && values[0].pooled === values[1].pooled;
  const inputs = scope.inputs(node, 0, 1);
  if ((node.op === 'Add' || node.op === 'Sum') && equal) {
    return { draft: { kind: 'add', ...scope.base(node, inputs), activation: 'none' }, value: values[0] };
  }
  if (node.op === 'Sub' && equal) return difference(node, scope, values[0]);
  const [first, second] = values.map((each) => each!.channels);
  if (
    node.op === 'Mul' &&
    values[0].rank === values[1].rank &&
    (first === second || first === 1 || second === 1)
  ) {
    const fits = a !== undefined && b !== undefined && (equal || scales(a, b) || scales(b, a));
    if (!fits && first !== second) return outerProduct(node, scope, [values[0], values[1]]);
    const scaled = first === second ? values[0].pooled : first === 1;
    const larger = scaled ? values[1] : values[0];
    return { draft: { kind: 'multiply', ...scope.base(node, inputs), fits }, value: larger };
  }
  return undefined;
};
