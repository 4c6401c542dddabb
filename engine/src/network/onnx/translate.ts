import { FoveaError } from '../../errors.js';
import { foldBatchNorm } from '../batch-norm.js';
import type { Activation } from '../network.js';
import type { Draft } from './draft.js';
import type { TensorProto } from './generated/onnx_pb.js';
import { describeNode, floatOf, type Graph, type GraphNode, intOf, intsOf, stringOf } from './graph.js';
import { type Inference, inferShapes } from './infer.js';
import { labelOf } from './labels.js';
import { countOf, dimsOf, float32Values, isFloatType, numberValues } from './tensor.js';

/** What is known of a value that the engine can hold. */
export interface Value {
  /** 4 for maps `[N, C, H, W]`, 2 for vectors `[N, C]`. */
  readonly rank: 2 | 4;
  readonly channels: number | undefined;
  /** True when height and width are 1 at any input size. */
  readonly pooled: boolean;
}

export interface Translation {
  readonly drafts: readonly Draft[];
  /** The engine's value behind each name. */
  readonly resolve: (name: string) => string;
  readonly values: ReadonlyMap<string, Value>;
}

/** What one operator becomes: a draft that writes `value`, the same value by another name, or nothing known. */
type Outcome = { draft: Draft; value: Value } | { alias: string; value?: Value } | undefined;
type Handler = (node: GraphNode, scope: Scope) => Outcome;

/**
 * Turns operators into drafts one by one; operators without a counterpart become `unknown` drafts.
 * @param image name and nominal extents of the graph's input
 * @throws FoveaError `bad-file` naming the operator whose weights or attributes do not fit
 */
export function translate(
  graph: Graph,
  image: { name: string; channels: number; height: number; width: number },
): Translation {
  const scope = new Scope(graph, image);
  const drafts: Draft[] = [];
  for (const node of graph.nodes) {
    const outcome = node.domain === '' ? handlers.get(node.op)?.(node, scope) : undefined;
    const output = node.outputs[0] ?? '';
    if (outcome && 'alias' in outcome) {
      scope.aliases.set(output, outcome.alias);
      if (outcome.value) scope.values.set(output, outcome.value);
    } else if (outcome) {
      drafts.push(outcome.draft);
      scope.values.set(output, outcome.value);
    } else {
      drafts.push(scope.unknown(node));
    }
  }
  return { drafts, resolve: (name) => scope.resolve(name), values: scope.values };
}

class Scope {
  readonly values = new Map<string, Value>();
  readonly aliases = new Map<string, string>();
  private readonly inference: Inference;
  private readonly consumers = new Map<string, GraphNode[]>();

  constructor(
    readonly graph: Graph,
    { name, channels, height, width }: { name: string; channels: number; height: number; width: number },
  ) {
    this.inference = inferShapes(
      graph.nodes,
      graph.constants,
      new Map([[name, [1, channels, height, width]]]),
    );
    this.values.set(name, { rank: 4, channels, pooled: false });
    for (const node of graph.nodes) {
      for (const input of node.inputs) {
        const list = this.consumers.get(input);
        if (list) list.push(node);
        else this.consumers.set(input, [node]);
      }
    }
  }

  resolve(name: string): string {
    let resolved = name;
    for (let next = this.aliases.get(resolved); next !== undefined; next = this.aliases.get(resolved))
      resolved = next;
    return resolved;
  }

  /** The constant behind an input of a node, if it is one. */
  constant(node: GraphNode, index: number): TensorProto | undefined {
    const name = node.inputs[index];
    return name === undefined || name === '' ? undefined : this.graph.constants.get(this.resolve(name));
  }

  floats(node: GraphNode, index: number): Float32Array | undefined {
    const tensor = this.constant(node, index);
    return tensor && isFloatType(tensor.dataType) ? float32Values(tensor) : undefined;
  }

  integers(node: GraphNode, index: number): number[] | undefined {
    const tensor = this.constant(node, index);
    return tensor && !isFloatType(tensor.dataType) ? numberValues(tensor) : undefined;
  }

  hasInput(node: GraphNode, index: number): boolean {
    return (node.inputs[index] ?? '') !== '';
  }

  /** The value behind an input, if the engine can hold it. */
  value(node: GraphNode, index: number): Value | undefined {
    const name = node.inputs[index];
    if (name === undefined || name === '' || this.graph.constants.has(this.resolve(name))) return undefined;
    return this.values.get(name) ?? this.values.get(this.resolve(name));
  }

  /** Extents at the nominal input size; undefined where they could not be inferred. */
  dims(name: string): readonly number[] | undefined {
    return this.inference.shapes.get(name);
  }

  /** Operators that read a value, those that only rename it looked through. */
  consumersOf(name: string): GraphNode[] {
    const found: GraphNode[] = [];
    const pending = [name];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const node of this.consumers.get(next) ?? []) {
        if (node.op === 'Identity' || node.op === 'Dropout') pending.push(node.outputs[0]!);
        else found.push(node);
      }
    }
    return found;
  }

  isRead(name: string | undefined): boolean {
    return (
      name !== undefined && name !== '' && (this.consumers.has(name) || this.graph.outputs.includes(name))
    );
  }

  inputs(node: GraphNode, ...indices: number[]): string[] {
    return indices.map((index) => this.resolve(node.inputs[index]!));
  }

  base(node: GraphNode, inputs: string[], weight?: string) {
    return { inputs, outputs: [node.outputs[0]!], origins: [node], label: labelOf(node, weight) };
  }

  unknown(node: GraphNode): Draft {
    for (const output of node.outputs) {
      const dims = this.dims(output);
      if ((dims?.length !== 4 && dims?.length !== 2) || this.inference.nonFloat.has(output)) continue;
      this.values.set(output, { rank: dims.length, channels: dims[1], pooled: false });
    }
    const read = [...node.inputs, ...node.captured].filter((name) => name !== '');
    const inputs = [...new Set(read.map((name) => this.resolve(name)))].filter(
      (name) => !this.graph.constants.has(name),
    );
    return {
      kind: 'unknown',
      inputs,
      outputs: node.outputs.filter((name) => name !== ''),
      origins: [node],
      label: labelOf(node),
    };
  }

  fail(node: GraphNode, what: string): never {
    throw new FoveaError('bad-file', `${this.graph.source}: ${describeNode(node)} ${what}`);
  }
}

type Padding = readonly [number, number, number, number];

/** Strides, paddings and the like: whole numbers in a range that no real layer leaves. */
function extents(
  node: GraphNode,
  scope: Scope,
  name: string,
  count: number,
  otherwise: number,
  least: number,
) {
  const values = intsOf(node, name) ?? new Array<number>(count).fill(otherwise);
  if (values.length !== count || values.some((value) => !(value >= least && value <= 65_536))) {
    scope.fail(
      node,
      `has ${name} [${values.slice(0, 8).join(', ')}]; ${count} values of ${least} … 65536 are accepted`,
    );
  }
  return values;
}

/** The padding of a window, or undefined where it depends on the input's size. */
function paddingOf(
  node: GraphNode,
  scope: Scope,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): Padding | undefined {
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  if (auto === 'VALID') return [0, 0, 0, 0];
  if (auto === 'NOTSET' || auto === '') {
    return extents(node, scope, 'pads', 4, 0, 0) as [number, number, number, number];
  }
  if (stride.some((step) => step !== 1)) return undefined;
  const total = kernel.map((size, i) => dilation[i]! * (size - 1)) as [number, number];
  const small = total.map((pad) => pad >> 1) as [number, number];
  const large = total.map((pad, i) => pad - small[i]!) as [number, number];
  return auto === 'SAME_LOWER'
    ? [large[0], large[1], small[0], small[1]]
    : [small[0], small[1], large[0], large[1]];
}

const pair = (values: readonly number[]) => [values[0]!, values[1]!] as const;

const convolution: Handler = (node, scope) => {
  const weightTensor = scope.constant(node, 1);
  const dims = weightTensor && dimsOf(weightTensor);
  if (!dims || !isFloatType(weightTensor.dataType) || dims.length !== 4 || scope.constant(node, 0))
    return undefined;
  if (dims.some((extent) => extent < 1)) scope.fail(node, `has a weight of shape [${dims.join(', ')}]`);
  const [outChannels, perGroup, height, width] = dims as [number, number, number, number];
  const groups = intOf(node, 'group', 1);
  if (!(groups >= 1 && outChannels % groups === 0)) {
    scope.fail(node, `has ${groups} groups for ${outChannels} output channels; a divisor is accepted`);
  }
  const channels = perGroup * groups;
  const input = scope.value(node, 0);
  if (input?.channels !== undefined && input.channels !== channels) {
    scope.fail(node, `reads ${channels} channels, ${JSON.stringify(node.inputs[0])} has ${input.channels}`);
  }
  if (input?.rank === 2) scope.fail(node, `reads a map, ${JSON.stringify(node.inputs[0])} is a vector`);
  const given = intsOf(node, 'kernel_shape');
  if (given && given.join() !== `${height},${width}`) {
    scope.fail(node, `has kernel_shape [${given.join(', ')}] and a weight of shape [${dims.join(', ')}]`);
  }
  const stride = extents(node, scope, 'strides', 2, 1, 1);
  const dilation = extents(node, scope, 'dilations', 2, 1, 1);
  if ((intsOf(node, 'pads') ?? []).some((pad) => pad < 0)) return undefined;
  const padding = paddingOf(node, scope, [height, width], stride, dilation);
  const bias = scope.hasInput(node, 2) ? scope.floats(node, 2) : new Float32Array(outChannels);
  if (!padding || !bias) return undefined;
  if (bias.length !== outChannels)
    scope.fail(node, `has ${bias.length} biases for ${outChannels} output channels`);
  const weightName = scope.resolve(node.inputs[1]!);
  return {
    draft: {
      kind: 'convolution',
      ...scope.base(node, scope.inputs(node, 0), weightName),
      convolution: {
        name: labelOf(node, weightName),
        inChannels: channels,
        outChannels,
        kernel: [height, width],
        stride: pair(stride),
        padding,
        dilation: pair(dilation),
        groups,
        weight: float32Values(weightTensor),
        bias,
        activation: 'none',
      },
    },
    value: {
      rank: 4,
      channels: outChannels,
      pooled: (input?.pooled ?? false) && height * width === 1 && padding.every((pad) => pad === 0),
    },
  };
};

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
        name: labelOf(node, weightName),
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

const gemm: Handler = (node, scope) => {
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
  const values = float32Values(matrix);
  const weight = turned ? values : transposed(values, inChannels, outChannels);
  const added = scope.hasInput(node, 2) ? scope.floats(node, 2) : new Float32Array(1);
  if (!added || (added.length !== 1 && added.length !== outChannels)) return undefined;
  const bias = Float32Array.from(
    { length: outChannels },
    (_, c) => beta * added[added.length === 1 ? 0 : c]!,
  );
  return linear(node, scope, alpha === 1 ? weight : weight.map((value) => alpha * value), bias, inChannels);
};

const matMul: Handler = (node, scope) => {
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
  const weight = transposed(float32Values(matrix), inChannels, outChannels);
  return linear(node, scope, weight, new Float32Array(outChannels), inChannels);
};

const batchNorm: Handler = (node, scope) => {
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
function perChannel(tensor: TensorProto, value: Value): Float32Array | undefined {
  const dims = dimsOf(tensor);
  const { channels, rank } = value;
  if (channels === undefined || dims.length > rank || !isFloatType(tensor.dataType)) return undefined;
  const aligned = [...new Array<number>(rank - dims.length).fill(1), ...dims];
  if (aligned.some((extent, axis) => extent !== 1 && !(axis === 1 && extent === channels))) return undefined;
  const values = float32Values(tensor);
  return values.length === channels ? values : new Float32Array(channels).fill(values[0]!);
}

const arithmetic: Handler = (node, scope) => {
  const values = [scope.value(node, 0), scope.value(node, 1)] as const;
  const at = values[0] ? 0 : 1;
  const value = values[at];
  const constant = scope.constant(node, 1 - at);
  if (value && constant) {
    const operand = perChannel(constant, value);
    if (!operand) return undefined;
    const same = (factor: number) => new Float32Array(operand.length).fill(factor);
    switch (node.op) {
      case 'Add':
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
  if (node.op === 'Add' && equal) {
    return { draft: { kind: 'add', ...scope.base(node, inputs), activation: 'none' }, value: values[0] };
  }
  if (node.op === 'Mul' && values[0].rank === values[1].rank && values[0].channels === values[1].channels) {
    const larger = values[0].pooled ? values[1] : values[0];
    return { draft: { kind: 'multiply', ...scope.base(node, inputs) }, value: larger };
  }
  return undefined;
};

const activation =
  (of: (node: GraphNode, scope: Scope) => Activation | undefined): Handler =>
  (node, scope) => {
    const value = scope.value(node, 0);
    const kind = of(node, scope);
    if (!value || !kind) return undefined;
    return {
      draft: { kind: 'activation', ...scope.base(node, scope.inputs(node, 0)), activation: kind },
      value,
    };
  };

const close = (a: number, b: number) => Math.abs(a - b) < 1e-6;

const clip = activation((node, scope) => {
  const bound = (name: string, index: number, otherwise: number) => {
    if (node.attributes.has(name)) return floatOf(node, name, otherwise);
    return scope.hasInput(node, index) ? scope.floats(node, index)?.[0] : otherwise;
  };
  const least = bound('min', 1, Number.NEGATIVE_INFINITY);
  const most = bound('max', 2, Number.POSITIVE_INFINITY);
  if (least !== 0 || most === undefined) return undefined;
  if (most === 6) return 'relu6';
  return most >= 3e38 ? 'relu' : undefined;
});

const hardSigmoid = activation((node) =>
  close(floatOf(node, 'alpha', 0.2), 1 / 6) && close(floatOf(node, 'beta', 0.5), 0.5)
    ? 'hardsigmoid'
    : undefined,
);

const pool: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const kernel = intsOf(node, 'kernel_shape');
  if (value?.rank !== 4 || kernel?.length !== 2 || scope.isRead(node.outputs[1])) return undefined;
  extents(node, scope, 'kernel_shape', 2, 1, 1);
  const stride = extents(node, scope, 'strides', 2, 1, 1);
  const dilation = extents(node, scope, 'dilations', 2, 1, 1);
  if ((intsOf(node, 'pads') ?? []).some((pad) => pad < 0)) return undefined;
  const padding = paddingOf(node, scope, kernel, stride, dilation);
  if (!padding || dilation.some((step) => step !== 1)) return undefined;
  // A window that lies in the padding alone has no defined mean or maximum.
  if (
    padding[0] >= kernel[0]! ||
    padding[2] >= kernel[0]! ||
    padding[1] >= kernel[1]! ||
    padding[3] >= kernel[1]!
  ) {
    return undefined;
  }
  return {
    draft: {
      kind: node.op === 'MaxPool' ? 'max-pool' : 'average-pool',
      ...scope.base(node, scope.inputs(node, 0)),
      kernel: pair(kernel),
      stride: pair(stride),
      padding,
      ceilMode: intOf(node, 'ceil_mode', 0) !== 0,
      countIncludePad: intOf(node, 'count_include_pad', 0) !== 0,
    },
    value: { rank: 4, channels: value.channels, pooled: false },
  };
};

const globalPool: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  if (value?.rank !== 4) return undefined;
  return {
    draft: { kind: 'global-pool', ...scope.base(node, scope.inputs(node, 0)) },
    value: { rank: 4, channels: value.channels, pooled: true },
  };
};

/** A mean over height and width, in either order, is a global pool. */
const reduceMean: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const axes = intsOf(node, 'axes') ?? scope.integers(node, 1);
  const spatial = axes?.map((axis) => (axis < 0 ? axis + 4 : axis)).sort((a, b) => a - b);
  if (value?.rank !== 4 || spatial?.join() !== '2,3') return undefined;
  return {
    draft: { kind: 'global-pool', ...scope.base(node, scope.inputs(node, 0)) },
    value: { rank: intOf(node, 'keepdims', 1) !== 0 ? 4 : 2, channels: value.channels, pooled: true },
  };
};

/** The same numbers under another rank: only between `[N, C, 1, 1]` and `[N, C]`. */
function renamed(node: GraphNode, scope: Scope, rank: 2 | 4): Outcome {
  const value = scope.value(node, 0);
  if (!value || (value.rank === 4 && !value.pooled)) return undefined;
  return { alias: scope.resolve(node.inputs[0]!), value: { ...value, rank, pooled: true } };
}

const reshape: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const shape = scope.integers(node, 1);
  const keeps = (extent: number | undefined) => extent === -1 || extent === value?.channels;
  if (shape?.length === 2 && (shape[0]! <= 1 ? keeps(shape[1]) : shape[1] === value?.channels)) {
    return renamed(node, scope, 2);
  }
  if (shape?.length === 4 && keeps(shape[1]) && shape[2] === 1 && shape[3] === 1)
    return renamed(node, scope, 4);
  if (shape) return undefined;
  // A shape computed in the graph: whoever multiplies the result by a matrix of C rows must have got [N, C].
  const readers = scope.consumersOf(node.outputs[0]!);
  const needsRows = (reader: GraphNode) => {
    const matrix = reader.op === 'Gemm' || reader.op === 'MatMul' ? scope.constant(reader, 1) : undefined;
    const rows = matrix && dimsOf(matrix)[intOf(reader, 'transB', 0) !== 0 ? 1 : 0];
    return rows !== undefined && rows === value?.channels;
  };
  return readers.length > 0 && readers.every(needsRows) ? renamed(node, scope, 2) : undefined;
};

const flatten: Handler = (node, scope) =>
  intOf(node, 'axis', 1) === 1 ? renamed(node, scope, 2) : undefined;

const squeeze: Handler = (node, scope) => {
  const axes = (intsOf(node, 'axes') ?? scope.integers(node, 1))?.map((axis) => (axis < 0 ? axis + 4 : axis));
  return axes?.sort((a, b) => a - b).join() === '2,3' ? renamed(node, scope, 2) : undefined;
};

const unsqueeze: Handler = (node, scope) => {
  const axes = (intsOf(node, 'axes') ?? scope.integers(node, 1))?.map((axis) => (axis < 0 ? axis + 4 : axis));
  return axes?.sort((a, b) => a - b).join() === '2,3' ? renamed(node, scope, 4) : undefined;
};

const same: Handler = (node, scope) => {
  if (scope.isRead(node.outputs[1])) return undefined;
  const value = scope.value(node, 0);
  return { alias: scope.resolve(node.inputs[0]!), ...(value ? { value } : {}) };
};

/** Every float format is computed as float32, so a cast between them changes nothing. */
const cast: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  return value && isFloatType(intOf(node, 'to', 0))
    ? { alias: scope.resolve(node.inputs[0]!), value }
    : undefined;
};

const pad: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const pads = intsOf(node, 'pads') ?? scope.integers(node, 1);
  const filling = node.attributes.has('value')
    ? floatOf(node, 'value', 0)
    : (scope.floats(node, 2)?.[0] ?? 0);
  const constant =
    stringOf(node, 'mode', 'constant') === 'constant' && filling === 0 && !scope.hasInput(node, 3);
  if (value?.rank !== 4 || pads?.length !== 8 || !constant) return undefined;
  if (pads.some((amount) => !(amount >= 0 && amount <= 65_536)) || pads[0] || pads[1] || pads[4] || pads[5])
    return undefined;
  return {
    draft: {
      kind: 'pad',
      ...scope.base(node, scope.inputs(node, 0)),
      padding: [pads[2]!, pads[3]!, pads[6]!, pads[7]!],
    },
    value: { ...value, pooled: false },
  };
};

const handlers: ReadonlyMap<string, Handler> = new Map(
  Object.entries<Handler>({
    Conv: convolution,
    Gemm: gemm,
    MatMul: matMul,
    BatchNormalization: batchNorm,
    Add: arithmetic,
    Sub: arithmetic,
    Mul: arithmetic,
    Div: arithmetic,
    Relu: activation(() => 'relu'),
    Clip: clip,
    Sigmoid: activation(() => 'sigmoid'),
    HardSigmoid: hardSigmoid,
    HardSwish: activation(() => 'hardswish'),
    Swish: activation((node) => (floatOf(node, 'alpha', 1) === 1 ? 'silu' : undefined)),
    MaxPool: pool,
    AveragePool: pool,
    GlobalAveragePool: globalPool,
    ReduceMean: reduceMean,
    Flatten: flatten,
    Reshape: reshape,
    Squeeze: squeeze,
    Unsqueeze: unsqueeze,
    Identity: same,
    Dropout: same,
    Cast: cast,
    Pad: pad,
  }),
);
