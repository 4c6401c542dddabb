import type { Convolution } from '../network.js';
import type { ConvolutionDraft, Draft } from './draft.js';
import type { FileFacts } from './file-facts.js';
import { type GraphNode, intOf, intsOf, stringOf } from './graph.js';
import { nodeLabel } from './node-labels.js';
import { dimsOf, float32Values, isFloatType } from './tensor.js';

/** A convolution of one channel along an axis, with zeros that keep its extent, as one along the width. */
export function asLine({ convolution }: ConvolutionDraft, axis: number): Convolution | undefined {
  const { inChannels, outChannels, kernel, stride, dilation, padding, samePadding, normalisation } =
    convolution;
  const [along, across] = axis === 2 ? ([0, 1] as const) : ([1, 0] as const);
  const [size, reach] = [kernel[along], (kernel[along] - 1) / 2];
  const fits =
    inChannels * outChannels === 1 &&
    kernel[across] === 1 &&
    padding[across] + padding[across + 2]! === 0 &&
    [padding[along], padding[along + 2]].every((pad) => pad === reach) &&
    [...stride, ...dilation].every((step) => step === 1);
  return fits && !samePadding && !normalisation ? line(convolution, size) : undefined;
}

/** The same of an operator of other ranks, which the engine has no node for. */
export function lineOf(draft: Draft, axis: number, facts: FileFacts): Convolution | undefined {
  const [node] = draft.origins;
  if (draft.kind !== 'unknown' || draft.origins.length !== 1 || node?.op !== 'Conv') return undefined;
  const [weight, bias] = [1, 2].map((index) => facts.constant(node.inputs[index] ?? ''));
  if (!weight || !isFloatType(weight.dataType) || (node.inputs[2] && !bias)) return undefined;
  const [outChannels, inChannels, ...kernel] = dimsOf(weight);
  const size = kernel[axis - 2];
  if (outChannels !== 1 || inChannels !== 1 || size === undefined) return undefined;
  if (kernel.some((extent, at) => at !== axis - 2 && extent !== 1) || !keepsExtent(node, kernel))
    return undefined;
  return line(
    {
      name: nodeLabel(node, node.inputs[1]),
      weight: float32Values(weight),
      bias: bias ? float32Values(bias) : new Float32Array(1),
      activation: 'none',
    },
    size,
  );
}

/** Whether a convolution writes as much as it reads, its window in the middle of zeros. */
function keepsExtent(node: GraphNode, kernel: readonly number[]): boolean {
  const steps = [...(intsOf(node, 'strides') ?? []), ...(intsOf(node, 'dilations') ?? [])];
  if (steps.some((step) => step !== 1) || intOf(node, 'group', 1) !== 1) return false;
  if (kernel.some((size) => size % 2 === 0)) return false;
  if (stringOf(node, 'auto_pad', 'NOTSET').startsWith('SAME')) return true;
  const pads = intsOf(node, 'pads') ?? [];
  return (
    pads.length === 2 * kernel.length && pads.every((pad, at) => 2 * pad === kernel[at % kernel.length]! - 1)
  );
}

/** Undefined for a window of one value, which slides over nothing. */
function line(
  { name, weight, bias, activation }: Pick<Convolution, 'name' | 'weight' | 'bias' | 'activation'>,
  size: number,
): Convolution | undefined {
  if (size % 2 === 0 || size < 3) return undefined;
  const reach = (size - 1) / 2;
  return {
    ...{ name, weight, bias, activation, inChannels: 1, outChannels: 1, groups: 1 },
    kernel: [1, size],
    stride: [1, 1],
    padding: [0, reach, 0, reach],
    dilation: [1, 1],
  };
}
