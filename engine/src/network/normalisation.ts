import { isEpsilon } from './epsilon.js';
import type { Convolution, MapStatistics, NormaliseMapNode } from './network.js';

/** All that a map may be normalised by, in the order of `Statistics` in engine/native/common/statistics.h. */
export const mapStatistics = ['moments', 'response'] as const satisfies readonly MapStatistics[];

/**
 * Why a map of so many channels cannot be normalised.
 * @returns undefined when it can
 */
export function mapNormalisationProblem(
  { by, groups, epsilon }: Pick<NormaliseMapNode, 'by' | 'groups' | 'epsilon'>,
  channels: number,
): string | undefined {
  if (!isEpsilon(epsilon)) return `epsilon ${epsilon}: a finite value above 0 is accepted`;
  const most = by === 'response' ? 1 : channels;
  return Number.isInteger(groups) && groups >= 1 && groups <= most && channels % groups === 0
    ? undefined
    : `${groups} groups of ${channels} channels, by ${by}: ${by === 'response' ? 'one group is' : 'whole groups are'} accepted`;
}

/** True when a convolution's normalisation has scale and shift for each of its output channels, or when it has none. */
export function normalisationFits({ normalisation, outChannels }: Convolution): boolean {
  if (!normalisation) return true;
  return [normalisation.scale, normalisation.shift].every(({ length }) => length === outChannels);
}
