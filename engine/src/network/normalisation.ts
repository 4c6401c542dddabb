import type { Convolution } from './network.js';

/** Whether a value can be added to a variance: above 0 and finite, also in single precision. */
export function isEpsilon(value: unknown): value is number {
  return typeof value === 'number' && Math.fround(value) > 0 && Number.isFinite(Math.fround(value));
}

/** True when a convolution's normalisation has scale and shift for each of its output channels, or when it has none. */
export function normalisationFits({ normalisation, outChannels }: Convolution): boolean {
  if (!normalisation) return true;
  return [normalisation.scale, normalisation.shift].every(({ length }) => length === outChannels);
}
