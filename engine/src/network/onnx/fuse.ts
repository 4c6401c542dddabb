import { foldBatchNorm } from '../batch-norm.js';
import type { Activation, Convolution, LayerNormalisation } from '../network.js';
import type { Budget } from './budget.js';
import type {
  ActivationDraft,
  AffineDraft,
  ConvolutionDraft,
  Draft,
  DraftGraph,
  MultiplyDraft,
  NormalisationDraft,
  PadDraft,
} from './draft.js';
import { near } from './near.js';
import { scaleBeforeAttention, scaleForward } from './scale-forward.js';

/**
 * Joins drafts that the engine computes in one node: batch norm and constant arithmetic into the convolution
 * before, activations into the convolution or addition before, padding into the convolution after, and the
 * spelled-out forms of SiLU, hard sigmoid and hard swish into one activation.
 */
export function fuse(graph: DraftGraph, budget: Budget): void {
  for (const draft of graph.all()) {
    if (draft.kind === 'convolution') absorbPadding(graph, draft);
    else if (draft.kind === 'affine') joinAffine(graph, draft, budget);
    else if (draft.kind === 'normalisation') joinNormalisation(graph, draft);
    else if (draft.kind === 'multiply') joinGate(graph, draft);
    else if (draft.kind === 'activation') joinActivation(graph, draft);
  }
  for (const draft of graph.all()) {
    if (draft.kind === 'activation' && draft.slopes) {
      const { activation, slopes, ...base } = draft;
      const one = new Float32Array(slopes.length).fill(1);
      const same = asConvolution({
        ...base,
        kind: 'affine',
        scale: one,
        shift: new Float32Array(one.length),
      });
      graph.replace(draft, [], { ...same, convolution: { ...same.convolution, activation, slopes } });
      continue;
    }
    // What is before may have become a convolution just now.
    if (draft.kind === 'normalisation' && joinNormalisation(graph, draft)) continue;
    if (draft.kind === 'affine') {
      if (scaleBeforeAttention(graph, draft, budget) || scaleForward(graph, draft, budget)) continue;
    }
    if (draft.kind === 'pad' && draft.channels !== undefined) {
      graph.replace(draft, [], asPadding(draft, draft.channels));
      continue;
    }
    if (draft.kind !== 'affine' && draft.kind !== 'normalisation') continue;
    graph.replace(draft, [], draft.kind === 'affine' ? asConvolution(draft) : asNormalised(draft));
    // As in networks that normalise before they convolve.
    for (const reader of graph.readersOf(draft.outputs[0]!)) {
      if (reader.kind === 'activation') joinActivation(graph, reader);
    }
  }
}

function absorbPadding(graph: DraftGraph, draft: ConvolutionDraft): void {
  const pad = graph.producer(draft.inputs[0]!);
  if (pad?.kind !== 'pad' || draft.convolution.samePadding) return;
  const padding = draft.convolution.padding.map((amount, i) => amount + pad.padding[i]!);
  const alone = graph.onlyReadBy(pad.outputs[0]!, draft);
  graph.replace(draft, alone ? [pad] : [], {
    ...draft,
    inputs: [...pad.inputs],
    origins: [...pad.origins, ...draft.origins],
    convolution: { ...draft.convolution, padding: padding as unknown as Convolution['padding'] },
  });
}

function joinAffine(graph: DraftGraph, draft: AffineDraft, budget: Budget): void {
  const before = graph.producer(draft.inputs[0]!);
  if (!before || !graph.onlyReadBy(draft.inputs[0]!, draft)) return;
  const origins = [...before.origins, ...draft.origins];
  if (before.kind === 'convolution' && before.convolution.activation === 'none') {
    const { weight, bias, normalisation } = before.convolution;
    budget.spend(4 * weight.length);
    const folded = normalisation
      ? { normalisation: scaled(normalisation, draft) }
      : foldBatchNorm(weight, bias, asBatchNorm(draft));
    const convolution = { ...before.convolution, ...folded };
    graph.replace(draft, [before], { ...before, outputs: draft.outputs, origins, convolution });
  } else if (before.kind === 'normalisation') {
    const normalisation = scaled(before.normalisation, draft);
    graph.replace(draft, [before], { ...before, outputs: draft.outputs, origins, normalisation });
  } else if (before.kind === 'affine') {
    const folded = foldBatchNorm(before.scale, before.shift, asBatchNorm(draft));
    const joined: AffineDraft = {
      ...before,
      outputs: draft.outputs,
      origins,
      scale: folded.weight,
      shift: folded.bias,
    };
    graph.replace(draft, [before], joined);
    joinAffine(graph, joined, budget);
  } else if (
    before.kind === 'convolution' &&
    before.convolution.activation === 'relu6' &&
    isConstant(draft, 1 / 6, 0)
  ) {
    // clip(y, 0, 6) / 6 is the hard sigmoid of y − 3; the 3 was folded into what is before.
    const lowered = (values: Float32Array) => values.map((value) => value - 3);
    const { bias, normalisation } = before.convolution;
    const convolution: Convolution = {
      ...before.convolution,
      ...(normalisation
        ? { normalisation: { ...normalisation, shift: lowered(normalisation.shift) } }
        : { bias: lowered(bias) }),
      activation: 'hardsigmoid',
    };
    graph.replace(draft, [before], { ...before, outputs: draft.outputs, origins, convolution });
  } else if (isConstant(draft, 1 / 6, 0)) {
    joinHard(graph, draft, before);
  }
}

/** Makes a normalisation part of the convolution before it; false where there is none. */
function joinNormalisation(graph: DraftGraph, draft: NormalisationDraft): boolean {
  const before = graph.producer(draft.inputs[0]!);
  if (before?.kind !== 'convolution' || !graph.onlyReadBy(draft.inputs[0]!, draft)) return false;
  if (before.convolution.activation !== 'none' || before.convolution.normalisation) return false;
  const { normalisation, outputs } = draft;
  const origins = [...before.origins, ...draft.origins];
  const convolution = { ...before.convolution, normalisation };
  graph.replace(draft, [before], { ...before, outputs, origins, convolution });
  return true;
}

/** A normalisation whose values are scaled and shifted. */
function scaled({ scale, shift, ...kept }: LayerNormalisation, by: AffineDraft): LayerNormalisation {
  const { weight, bias } = foldBatchNorm(scale, shift, asBatchNorm(by));
  return { scale: weight, shift: bias, ...kept };
}

/** `clip(x + 3, 0, 6) / 6` is hard sigmoid, `x · clip(x + 3, 0, 6) / 6` hard swish. */
function joinHard(graph: DraftGraph, sixth: AffineDraft, before: Draft): void {
  const clip =
    before.kind === 'multiply' ? before.inputs.map((value) => graph.producer(value)).find(isClip) : before;
  if (!isClip(clip)) return;
  const shift = graph.producer(clip.inputs[0]!);
  if (shift?.kind !== 'affine' || !isConstant(shift, 1, 3)) return;
  const x = shift.inputs[0]!;
  const gate = before.kind === 'multiply';
  if (gate && !before.inputs.includes(x)) return;
  const inside = gate ? [before, clip, shift] : [clip, shift];
  if (!graph.onlyReadBy(shift.outputs[0]!, clip) || (gate && !graph.onlyReadBy(clip.outputs[0]!, before)))
    return;
  const origins = [...inside.flatMap((draft) => draft.origins), ...sixth.origins];
  const joined = activation(sixth, x, gate ? 'hardswish' : 'hardsigmoid', origins);
  graph.replace(sixth, inside, joined);
  joinActivation(graph, joined);
}

const isClip = (draft: Draft | undefined): draft is ActivationDraft =>
  draft?.kind === 'activation' && draft.activation === 'relu6';

/** `x · sigmoid(x)` is SiLU, `x · hardsigmoid(x)` hard swish. */
function joinGate(graph: DraftGraph, draft: MultiplyDraft): void {
  for (const [x, gated] of [draft.inputs, [...draft.inputs].reverse()] as [string, string][]) {
    const gate = graph.producer(gated);
    if (gate?.kind !== 'activation' || gate.inputs[0] !== x || !graph.onlyReadBy(gated, draft)) continue;
    const kind =
      gate.activation === 'sigmoid' ? 'silu' : gate.activation === 'hardsigmoid' ? 'hardswish' : undefined;
    if (!kind) continue;
    const joined = activation(draft, x, kind, [...gate.origins, ...draft.origins]);
    graph.replace(draft, [gate], joined);
    joinActivation(graph, joined);
    return;
  }
}

function activation(last: Draft, x: string, kind: Activation, origins: Draft['origins']): ActivationDraft {
  return {
    kind: 'activation',
    inputs: [x],
    outputs: last.outputs,
    origins,
    label: last.label,
    activation: kind,
  };
}

function joinActivation(graph: DraftGraph, draft: ActivationDraft): void {
  const before = graph.producer(draft.inputs[0]!);
  if (!before || !graph.onlyReadBy(draft.inputs[0]!, draft)) return;
  const joined = { outputs: draft.outputs, origins: [...before.origins, ...draft.origins] };
  if (before.kind === 'convolution' && before.convolution.activation === 'none') {
    const { activation, slopes } = draft;
    const convolution = { ...before.convolution, activation, ...(slopes ? { slopes } : {}) };
    graph.replace(draft, [before], { ...before, ...joined, convolution });
  } else if (before.kind === 'add' && before.activation === 'none' && draft.activation !== 'prelu') {
    graph.replace(draft, [before], { ...before, ...joined, activation: draft.activation });
  }
}

/** An affine map written as the batch norm that computes it. */
function asBatchNorm({ scale, shift }: AffineDraft) {
  const zeros = new Float32Array(scale.length);
  return { scale, shift, mean: zeros, variance: new Float32Array(scale.length).fill(1), epsilon: 0 };
}

function isConstant({ scale, shift }: AffineDraft, factor: number, offset: number): boolean {
  const is = (wanted: number) => (value: number) => (wanted === 0 ? value === 0 : near(value, wanted));
  return scale.every(is(factor)) && shift.every(is(offset));
}

/** An affine map that follows no convolution: a depthwise 1x1 convolution. */
function asConvolution({ scale, shift, ...base }: AffineDraft): ConvolutionDraft {
  return {
    ...base,
    kind: 'convolution',
    convolution: {
      name: base.label,
      inChannels: scale.length,
      outChannels: scale.length,
      kernel: [1, 1],
      stride: [1, 1],
      padding: [0, 0, 0, 0],
      dilation: [1, 1],
      groups: scale.length,
      weight: scale,
      bias: shift,
      activation: 'none',
    },
  };
}

/** Zeros around a map for readers that cannot add them: a depthwise 1x1 convolution that leaves values as they are. */
function asPadding({ padding, ...base }: PadDraft, channels: number): ConvolutionDraft {
  const [scale, shift] = [new Float32Array(channels).fill(1), new Float32Array(channels)];
  const same = asConvolution({ ...base, kind: 'affine', scale, shift });
  return { ...same, convolution: { ...same.convolution, padding } };
}

/** A normalisation that follows no convolution: behind a depthwise one that leaves values as they are. */
function asNormalised({ normalisation, ...base }: NormalisationDraft): ConvolutionDraft {
  const channels = normalisation.scale.length;
  const [scale, shift] = [new Float32Array(channels).fill(1), new Float32Array(channels)];
  const same = asConvolution({ ...base, kind: 'affine', scale, shift });
  return { ...same, convolution: { ...same.convolution, normalisation } };
}
