import { expectArgument } from '../arguments/expect.js';
import { aFunction, anObject, type Kind } from '../arguments/kinds.js';
import type { Profile } from '../profile.js';
import { medianProfile } from './median-profile.js';

/** Runs of each kind: as many as fit into the time, but no fewer and no more than these. */
const fewestRuns = 5;
const mostRuns = 25;
const measuringMs = 700;

/** Two ways of computing the same, to be compared: each runs once and says what it took. */
export interface Turns {
  adaptive(): Promise<Profile>;
  dense(): Promise<Profile>;
}

const twoWays: Kind = {
  accepted: '{ adaptive, dense }, two functions,',
  holds: (value) => {
    if (!anObject.holds(value)) return false;
    const { adaptive, dense } = value as Turns;
    return aFunction.holds(adaptive) && aFunction.holds(dense);
  },
};

/**
 * Runs two ways of computing the same alternately, so that other load on the machine affects both alike, and takes
 * the medians of each. What has to be made first must have been made: both have run before.
 * @param onProgress called with the fraction done, 0…1
 * @throws whatever a run throws
 */
export async function measureInTurns(
  turns: Turns,
  onProgress: (fraction: number) => void = () => undefined,
): Promise<{ readonly adaptive: Profile; readonly dense: Profile }> {
  const { adaptive, dense } = expectArgument(turns, twoWays, 'measureInTurns: turns');
  expectArgument(onProgress, aFunction, 'measureInTurns: onProgress');
  const profiles: { adaptive: Profile[]; dense: Profile[] } = { adaptive: [], dense: [] };
  const startedMs = performance.now();
  for (let turn = 0; turn < mostRuns; turn++) {
    const usedMs = performance.now() - startedMs;
    if (turn >= fewestRuns && usedMs > measuringMs) break;
    onProgress(Math.min(0.99, Math.max(turn / mostRuns, usedMs / measuringMs)));
    profiles.adaptive.push(await adaptive());
    profiles.dense.push(await dense());
  }
  return { adaptive: medianProfile(profiles.adaptive), dense: medianProfile(profiles.dense) };
}
