import type { OpTiming, Profile } from '../../profile.js';
import { lowerMedian } from './lower-median.js';

/** Passes shorter than this are timed too coarsely to be useful, ms. */
const countedMs = 0.02;

/** The pace of quiet moments is at most this many times the shortest. */
const quietRatio = 1.05;

/** Fewer quiet times of a pass are left to chance more than all its times are. */
const leastQuiet = 2;

/** How fast the processor was during some runs. */
export interface Pace {
  /** Time of the same piece of arithmetic around their passes, ms: the median, and the shortest but for one in fifty. */
  readonly medianMs: number;
  readonly leastMs: number;
  /** The longest pace that counts as quiet, ms: near the shortest, and long enough for a quarter of the passes. */
  readonly quietMs: number;
}

/**
 * The pace of runs that were made with `paced`.
 * @returns undefined for runs that were not, or that have no pass long enough
 */
export function paceOf(profiles: readonly Profile[]): Pace | undefined {
  const paces = profiles.flatMap(({ ops }) =>
    ops.filter(({ totalMs, paceMs = 0 }) => totalMs >= countedMs && paceMs > 0).map(({ paceMs }) => paceMs!),
  );
  if (paces.length === 0) return undefined;
  paces.sort((a, b) => a - b);
  const leastMs = paces[Math.floor(paces.length / 50)]!;
  const quietMs = Math.max(quietRatio * leastMs, paces[Math.floor(paces.length / 4)]!);
  return { medianMs: lowerMedian(paces), leastMs, quietMs };
}

/**
 * Those times of a pass that were measured at quiet moments, if there are enough: what shares a core slows down some
 * passes more than others, which scaling cannot undo.
 *
 * @param timings of the same pass in several runs
 * @param quietMs the longest pace of a quiet moment; all moments count where it is undefined
 */
export function quietOf(timings: readonly OpTiming[], quietMs: number | undefined): readonly OpTiming[] {
  if (quietMs === undefined) return timings;
  const quiet = timings.filter(({ paceMs = 0 }) => paceMs <= quietMs);
  return quiet.length >= Math.min(leastQuiet, timings.length) ? quiet : timings;
}

/**
 * What a run would have taken, had the processor been as fast throughout as when that piece of arithmetic takes
 * `paceMs`: every pass in proportion to the pace around it. Whatever shares a core slows down passes of all kinds
 * about as much as it does arithmetic in the first-level cache.
 */
export function atPace(profile: Profile, paceMs: number): Profile {
  let [measured, scaled] = [0, 0];
  const ops = profile.ops.map((op) => {
    const factor = op.paceMs ? paceMs / op.paceMs : 1;
    measured += op.totalMs;
    scaled += op.totalMs * factor;
    return {
      ...op,
      totalMs: op.totalMs * factor,
      computeMs: op.computeMs * factor,
      dataMs: op.dataMs * factor,
      overheadMs: op.overheadMs * factor,
    };
  });
  return { ...profile, ops, totalMs: measured > 0 ? (profile.totalMs * scaled) / measured : profile.totalMs };
}
