import type { Activation, Attention, PlainConvolution } from '@fovea/engine/backend';

/**
 * Squeeze-and-excitation; a gate that slides over channels (ECA); mean and maximum pooled; that and pixels (CBAM); global
 * response normalisation.
 */
export const ATTENTION_KINDS = ['squeeze', 'slide', 'pools', 'pixels', 'response'] as const;
export type AttentionKind = (typeof ATTENTION_KINDS)[number];

/** Makes a layer of an attention: a square kernel in the middle of its padding. */
export type Gate = (
  part: string,
  inChannels: number,
  outChannels: number,
  layer: { readonly kernel?: number; readonly groups?: number; readonly activation: Activation },
) => PlainConvolution;

/** An attention of a kind to a map of that many channels. */
export function attentionOfKind(
  {
    kind,
    after,
    channels,
    squeeze,
  }: {
    readonly kind: AttentionKind;
    readonly after: number;
    readonly channels: number;
    readonly squeeze: number;
  },
  activation: Activation,
  gate: Gate,
): Attention {
  if (kind === 'slide') {
    const size = channels > 32 ? 5 : 3;
    return { after, pools: ['mean'], gate: line(gate('gate', 1, 1, { kernel: size, activation })) };
  }
  if (kind === 'response') {
    const scales = gate('gate', channels, channels, { groups: channels, activation: 'none' });
    const ones = new Float32Array(channels).fill(1);
    return { after, pools: ['response'], epsilon: 1e-3, gate: { ...scales, bias: ones } };
  }
  return {
    after,
    pools: kind === 'squeeze' ? ['mean'] : ['mean', 'max'],
    reduce: gate('reduce', channels, squeeze, { activation: 'relu' }),
    gate: gate('gate', squeeze, channels, { activation }),
    ...(kind === 'pixels'
      ? { spatial: gate('spatial', 2, 1, { kernel: squeeze % 2 === 0 ? 7 : 3, activation }) }
      : {}),
  };
}

/** The middle row of a square kernel. */
function line(square: PlainConvolution): PlainConvolution {
  const size = square.kernel[1];
  const middle = (size - 1) / 2;
  return {
    ...square,
    kernel: [1, size],
    padding: [0, middle, 0, middle],
    weight: square.weight.slice(middle * size, (middle + 1) * size),
  };
}
