import type { PlainConvolution } from '../network.js';
import { isPointwise } from '../shapes.js';
import type { FoundAttention } from './attention.js';
import type { ConvolutionDraft, Draft, DraftGraph } from './draft.js';

/** Global response normalisation in a branch; `shift` is added to the channels behind it, where there is one. */
export type FoundResponse = FoundAttention & { readonly shift?: Float32Array };

/**
 * Global response normalisation (Woo et al. 2023) seen from the addition that ends it: `x + scale · (x · response(x)) + shift`.
 * Its scales of channels are an attention.
 */
export function responseOf(graph: DraftGraph, sum: Draft): FoundResponse | undefined {
  if (sum.kind !== 'add' || sum.activation !== 'none') return undefined;
  for (const [input, value] of [sum.inputs, [...sum.inputs].reverse()] as [string, string][]) {
    const scale = graph.producer(value);
    if (scale?.kind !== 'convolution' || !scalesChannels(scale) || !graph.onlyReadBy(value, sum)) continue;
    const [map] = scale.inputs as [string];
    const normalised = graph.producer(map);
    if (normalised?.kind !== 'normalise-map' || normalised.by !== 'response') continue;
    if (normalised.inputs[0] !== input || !graph.onlyReadBy(map, scale)) continue;
    const { convolution } = scale;
    const { bias: shift } = convolution;
    return {
      input,
      pools: ['response'],
      epsilon: normalised.epsilon,
      gate: { ...convolution, bias: new Float32Array(shift.length).fill(1) },
      drafts: [sum, scale, normalised],
      ...(shift.some((value) => value !== 0) ? { shift } : {}),
    };
  }
  return undefined;
}

/** Whether a convolution multiplies each channel by a number and adds one to it, and nothing else. */
function scalesChannels(
  draft: ConvolutionDraft,
): draft is ConvolutionDraft & { readonly convolution: PlainConvolution } {
  const { convolution } = draft;
  const { groups, inChannels, outChannels, activation, normalisation } = convolution;
  const own = inChannels === groups && outChannels === groups;
  return own && isPointwise(convolution) && activation === 'none' && !normalisation;
}
