import { isEpsilon } from './epsilon.js';
import type { Attention, PlainConvolution } from './network.js';

export type { Attention, AttentionPool } from './network.js';

/** What a convolution is in an attention. */
export type AttentionRole = 'reduce' | 'gate' | 'spatial';

/** True where the gate is a convolution along the channels, not a matrix over them. */
export function slidesOverChannels({ kernel }: Attention['gate']): boolean {
  return kernel[1] > 1;
}

/** True where channels are scaled by the response that they have (global response normalisation). */
export function scalesByResponse({ pools }: Pick<Attention, 'pools'>): boolean {
  return pools.includes('response');
}

/** The convolutions of an attention with what they are in it; none without one. */
export function attentionLayers(
  attention: Attention | undefined,
): { readonly role: AttentionRole; readonly convolution: PlainConvolution }[] {
  if (!attention) return [];
  const { reduce, gate, spatial } = attention;
  return [
    ...(reduce ? [{ role: 'reduce', convolution: reduce } as const] : []),
    { role: 'gate', convolution: gate },
    ...(spatial ? [{ role: 'spatial', convolution: spatial } as const] : []),
  ];
}

/** How many pixels a layer of an attention computes of one image, as the convolution that it is. */
export function attentionPixels(
  attention: Attention,
  role: AttentionRole,
  map: { readonly channels: number; readonly pixels: number },
): number {
  switch (role) {
    case 'reduce':
      return attention.pools.length;
    case 'gate':
      return slidesOverChannels(attention.gate) ? map.channels : 1;
    case 'spatial':
      return map.pixels;
  }
}

/** True when the layers of an attention fit a map of that many channels. */
export function fitsChannels(attention: Attention, channels: number): boolean {
  const { pools, epsilon, reduce, gate, spatial } = attention;
  if (scalesByResponse(attention)) {
    const scales = [gate.inChannels, gate.outChannels, gate.groups].every((count) => count === channels);
    const linear = gate.kernel.join() === '1,1' && gate.activation === 'none';
    return pools.length === 1 && isEpsilon(epsilon) && scales && linear && !reduce && !spatial;
  }
  const width = reduce?.outChannels ?? channels;
  const scales = slidesOverChannels(gate)
    ? gate.inChannels === 1 && gate.outChannels === 1 && width === channels
    : gate.inChannels === width && gate.outChannels === channels;
  const scalesPixels = !spatial || (spatial.inChannels === 2 && spatial.outChannels === 1);
  return scales && scalesPixels && (reduce?.inChannels ?? channels) === channels;
}

/** What an attention is called. */
export function attentionName({ pools, reduce, gate, spatial }: Attention): string {
  if (scalesByResponse({ pools })) return 'global response normalisation';
  if (spatial) return 'CBAM';
  if (slidesOverChannels(gate)) return 'efficient channel attention';
  if (pools.length > 1) return "CBAM's channel attention";
  return reduce ? 'squeeze-and-excitation' : 'effective squeeze-and-excitation';
}

/** What pooling active pixels alone makes of an attention, and pooling the whole map, in a sentence. */
export function attentionNote(attention: Attention, pooling: 'exact' | 'active'): string {
  const name = attentionName(attention);
  return pooling === 'exact'
    ? `${name} pools the dense map (exact)`
    : `${name} pools active pixels only (active)`;
}
