import type { Convolution } from '../network.js';
import type { Budget } from './budget.js';
import type { AffineDraft, ConvolutionDraft, Draft, DraftGraph } from './draft.js';

/**
 * Makes a scale of channels that nothing before it takes part of the convolutions behind it, as networks without
 * normalisation need it: they scale what an activation gave (Brock et al. 2021). A shift joins them where they pad
 * with no zeros, which it would have to leave as they are. False where something else reads the values too.
 */
export function scaleForward(graph: DraftGraph, draft: AffineDraft, budget: Budget): boolean {
  const [value] = draft.outputs as [string];
  const readers = graph.readersOf(value);
  const shifts = draft.shift.some((shift) => shift !== 0);
  const takes = (reader: Draft): reader is ConvolutionDraft =>
    reader.kind === 'convolution' && !(shifts && isPadded(reader.convolution));
  if (readers.length === 0 || !graph.onlyReadBy(value, ...readers) || !readers.every(takes)) return false;
  for (const [at, reader] of readers.entries()) {
    budget.spend(4 * reader.convolution.weight.length);
    graph.replace(reader, at === 0 ? [draft] : [], {
      ...reader,
      inputs: [...draft.inputs],
      origins: [...draft.origins, ...reader.origins],
      convolution: withScaledInputs(reader.convolution, draft.scale, draft.shift),
    });
  }
  return true;
}

/**
 * Makes a scale behind squeeze-and-excitation part of the convolution before it; the first matrix of the attention then
 * reads what is larger by it, and is divided by it. False where that changes more than rounding.
 */
export function scaleBeforeAttention(graph: DraftGraph, draft: AffineDraft, budget: Budget): boolean {
  const [value] = draft.inputs as [string];
  const product = graph.producer(value);
  if (product?.kind !== 'multiply' || !graph.onlyReadBy(value, draft)) return false;
  if (draft.shift.some((shift) => shift !== 0) || !draft.scale.every(isMild)) return false;
  // An activation would be left behind no convolution.
  if (graph.readersOf(draft.outputs[0]!).some(({ kind }) => kind === 'activation')) return false;
  for (const scaled of product.inputs) {
    const before = graph.producer(scaled);
    if (before?.kind !== 'convolution') continue;
    const { convolution } = before;
    if (convolution.activation !== 'none' || convolution.normalisation) continue;
    if (convolution.outChannels !== draft.scale.length) continue;
    const [pool, ...others] = graph.readersOf(scaled).filter((reader) => reader !== product);
    if (pool?.kind !== 'global-pool' || others.length > 0 || !graph.onlyReadBy(scaled, product, pool))
      continue;
    const [reduce, ...more] = graph.readersOf(pool.outputs[0]!);
    if (reduce?.kind !== 'convolution' || more.length > 0 || !graph.onlyReadBy(pool.outputs[0]!, reduce))
      continue;
    budget.spend(4 * (convolution.weight.length + reduce.convolution.weight.length));
    graph.replace(before, [], { ...before, convolution: withScaledOutputs(convolution, draft.scale) });
    const inverse = draft.scale.map((scale) => 1 / scale);
    graph.replace(reduce, [], { ...reduce, convolution: withScaledInputs(reduce.convolution, inverse) });
    const origins = [...product.origins, ...draft.origins];
    graph.replace(draft, [product], { ...product, outputs: draft.outputs, origins });
    return true;
  }
  return false;
}

/** Far from where a factor or its inverse would take values out of what float32 holds exactly. */
const isMild = (scale: number) => Math.abs(scale) > 1e-6 && Math.abs(scale) < 1e6;

/** True where a convolution reads zeros around its input. */
export const isPadded = ({ padding, samePadding }: Convolution) =>
  samePadding !== undefined || padding.some((amount) => amount !== 0);

/** A convolution that multiplies its input's channels itself, and adds to them. */
export function withScaledInputs(
  convolution: Convolution,
  scale: Float32Array,
  shift?: Float32Array,
): Convolution {
  const { inChannels, outChannels, groups, kernel } = convolution;
  const [weight, bias] = [convolution.weight.slice(), convolution.bias.slice()];
  const taps = kernel[0] * kernel[1];
  const read = inChannels / groups;
  for (let output = 0, at = 0; output < outChannels; output++) {
    const first = Math.floor(output / (outChannels / groups)) * read;
    let added = 0;
    for (let input = first; input < first + read; input++) {
      for (let tap = 0; tap < taps; tap++, at++) {
        if (shift) added += weight[at]! * shift[input]!;
        weight[at] = weight[at]! * scale[input]!;
      }
    }
    bias[output] = bias[output]! + added;
  }
  return { ...convolution, weight, bias };
}

/** A convolution whose outputs are multiplied. */
function withScaledOutputs(convolution: Convolution, scale: Float32Array): Convolution {
  const taps = convolution.weight.length / scale.length;
  return {
    ...convolution,
    weight: convolution.weight.map((value, at) => value * scale[Math.floor(at / taps)]!),
    bias: convolution.bias.map((value, channel) => value * scale[channel]!),
  };
}
