import { leakyRelu } from '../../activation.js';
import { floatOf, type GraphNode } from '../graph.js';
import { isAttentionOperator } from '../pixels/attention-operator.js';
import type { Handler, Outcome, Scope } from '../scope.js';
import { activation, clip, gelu, hardSigmoid, prelu } from './activation.js';
import { arithmetic, batchNorm, negative, power } from './arithmetic.js';
import { convolution } from './convolution.js';
import { concat, resize, slice, split } from './joins.js';
import { gemm, matMul } from './linear.js';
import { groupNormalisation, instanceNormalisation, vectorNormalisation } from './normalisation.js';
import { pixelAttention } from './pixel-attention.js';
import {
  cast,
  dropout,
  flatten,
  gather,
  identity,
  reshape,
  squeeze,
  transpose,
  unsqueeze,
} from './rename.js';
import { globalPool, pad, pool, reduceMean } from './window.js';

/** An operator that the engine has a counterpart of, and all that its handler understands of it. */
interface Reading {
  readonly read: Handler;
  /** Attributes that the handler heeds, or that change nothing of what is computed. */
  readonly attributes: readonly string[];
  /** Most inputs; default 1. */
  readonly inputs?: number;
  /** Most outputs; default 1. */
  readonly outputs?: number;
}

const window = ['auto_pad', 'dilations', 'kernel_shape', 'pads', 'strides'];
const sum: Reading = { read: arithmetic, attributes: [], inputs: 2 };

const readings: ReadonlyMap<string, Reading> = new Map(
  Object.entries<Reading>({
    Conv: { read: convolution, attributes: [...window, 'group'], inputs: 3 },
    Gemm: { read: gemm, attributes: ['alpha', 'beta', 'transA', 'transB'], inputs: 3 },
    MatMul: { read: matMul, attributes: [], inputs: 2 },
    // More outputs than one before operator set 14 mean training mode, where statistics are those of the batch.
    BatchNormalization: {
      read: batchNorm,
      attributes: ['epsilon', 'momentum', 'training_mode'],
      inputs: 5,
    },
    LayerNormalization: {
      read: vectorNormalisation,
      attributes: ['axis', 'epsilon', 'stash_type'],
      inputs: 3,
    },
    RMSNormalization: {
      read: vectorNormalisation,
      attributes: ['axis', 'epsilon', 'stash_type'],
      inputs: 2,
    },
    InstanceNormalization: { read: instanceNormalisation, attributes: ['epsilon'], inputs: 3 },
    GroupNormalization: {
      read: groupNormalisation,
      attributes: ['epsilon', 'num_groups', 'stash_type'],
      inputs: 3,
    },
    Add: sum,
    Sum: sum,
    Sub: sum,
    Mul: sum,
    Div: sum,
    Neg: { read: negative, attributes: [] },
    Pow: { read: power, attributes: [], inputs: 2 },
    Relu: { read: activation(() => 'relu'), attributes: [] },
    Clip: { read: clip, attributes: ['min', 'max'], inputs: 3 },
    Sigmoid: { read: activation(() => 'sigmoid'), attributes: [] },
    HardSigmoid: { read: hardSigmoid, attributes: ['alpha', 'beta'] },
    HardSwish: { read: activation(() => 'hardswish'), attributes: [] },
    Swish: {
      read: activation((node) => (floatOf(node, 'alpha', 1) === 1 ? 'silu' : undefined)),
      attributes: ['alpha'],
    },
    LeakyRelu: { read: activation((node) => leakyRelu(floatOf(node, 'alpha', 0.01))), attributes: ['alpha'] },
    PRelu: { read: prelu, attributes: [], inputs: 2 },
    Mish: { read: activation(() => 'mish'), attributes: [] },
    Gelu: { read: gelu, attributes: ['approximate'] },
    MaxPool: { read: pool, attributes: [...window, 'ceil_mode', 'storage_order'], outputs: 2 },
    AveragePool: { read: pool, attributes: [...window, 'ceil_mode', 'count_include_pad'] },
    GlobalAveragePool: { read: globalPool, attributes: [] },
    ReduceMean: { read: reduceMean, attributes: ['axes', 'keepdims', 'noop_with_empty_axes'], inputs: 2 },
    Concat: { read: concat, attributes: ['axis'], inputs: Number.POSITIVE_INFINITY },
    Slice: { read: slice, attributes: ['starts', 'ends', 'axes'], inputs: 5 },
    Split: {
      read: split,
      attributes: ['axis', 'split', 'num_outputs'],
      inputs: 2,
      outputs: Number.POSITIVE_INFINITY,
    },
    Upsample: { read: resize, attributes: ['mode', 'scales'], inputs: 2 },
    Resize: {
      read: resize,
      attributes: [
        ...['mode', 'coordinate_transformation_mode', 'nearest_mode', 'axes', 'keep_aspect_ratio_policy'],
        ...['antialias', 'exclude_outside', 'cubic_coeff_a', 'extrapolation_value'],
      ],
      inputs: 4,
    },
    Flatten: { read: flatten, attributes: ['axis'] },
    Reshape: { read: reshape, attributes: ['allowzero'], inputs: 2 },
    Squeeze: { read: squeeze, attributes: ['axes'], inputs: 2 },
    Unsqueeze: { read: unsqueeze, attributes: ['axes'], inputs: 2 },
    Gather: { read: gather, attributes: ['axis'], inputs: 2 },
    Transpose: { read: transpose, attributes: ['perm'] },
    Identity: { read: identity, attributes: [] },
    Dropout: { read: dropout, attributes: ['ratio', 'seed'], inputs: 3, outputs: 2 },
    Cast: { read: cast, attributes: ['to', 'saturate'] },
    Pad: { read: pad, attributes: ['mode', 'pads', 'value'], inputs: 4 },
  }),
);

/**
 * What an operator becomes. One that has an attribute, an input or an output that its handler does not know of is
 * not read, as it may compute something else: it runs unchanged in onnxruntime.
 */
export function readOperator(node: GraphNode, scope: Scope): Outcome {
  if (isAttentionOperator(node)) return pixelAttention(node, scope);
  const reading = node.domain === '' ? readings.get(node.op) : undefined;
  if (!reading) return undefined;
  const { read, attributes, inputs = 1, outputs = 1 } = reading;
  const understood =
    node.inputs.length <= inputs &&
    node.outputs.length <= outputs &&
    [...node.attributes.keys()].every((name) => attributes.includes(name));
  return understood && !foldsIntoBatch(node, scope) ? read(node, scope) : undefined;
}

/** Whether an operator reads what is no batch of images: parts of them (windows), or tokens, as if they were images. */
function foldsIntoBatch({ inputs }: GraphNode, scope: Scope): boolean {
  return inputs.some((name) => {
    const [first = 1, ...others] = (!scope.graph.constants.has(name) && scope.dims(name)) || [];
    return others.length > 0 && first !== 1;
  });
}
