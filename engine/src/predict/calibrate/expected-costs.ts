import type { NativeAmount } from '../../backends/native/addon.js';
import type { Sample } from './least-squares.js';
import type { Peaks } from './peaks.js';

/** How many samples an expected cost counts for: few, as a bandwidth says nothing of what computing hides. */
const expectedSamples = 5;

/**
 * Samples which say that a byte of the last-level cache or of memory costs what their bandwidth says. Where a core's own
 * caches hold nearly everything that the probes compute, few measurements show these costs, and chance would decide them.
 */
export function expectedCosts(
  amounts: readonly NativeAmount[],
  { cacheBandwidth, memoryBandwidth }: Pick<Peaks, 'cacheBandwidth' | 'memoryBandwidth'>,
): Sample[] {
  const bandwidth = { far: cacheBandwidth, memory: memoryBandwidth };
  return amounts.flatMap(({ place, unit }, i) => {
    if (!place || place === 'near' || unit !== 'bytes') return [];
    const bytes = new Float64Array(amounts.length);
    bytes[i] = bandwidth[place] / 1e3;
    return Array.from({ length: expectedSamples }, () => ({ amounts: bytes, time: 1, weight: 1 }));
  });
}
