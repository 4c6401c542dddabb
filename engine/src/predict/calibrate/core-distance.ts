import type { Device } from '../../plan/device.js';
import type { Profile } from '../../profile.js';
import { calibrationOf, type NativeFit } from '../calibration.js';
import { lowerMedian } from './lower-median.js';
import type { TimedTrial } from './time-trials.js';

/**
 * Times from core to core that differ by more than this factor are of different states. Repeated measurements of one
 * state differ by a tenth; cores that share a cache and cores that do not, by two to four.
 */
const sameState = 1.6;

/** The share of runs that a state needs to count: fewer say nothing of every kind of pass. */
const leastShare = 0.25;

/** True where both are of the same state. */
export const sameDistance = (a: number, b: number): boolean => Math.max(a, b) <= sameState * Math.min(a, b);

/**
 * The states that a machine's cores were in during some runs, as times from core to core, ms: the one that most runs
 * were made in first.
 * @returns nothing for runs on one thread, or without `paced`
 */
export function distancesOf(profiles: readonly Profile[]): number[] {
  const measured = profiles.flatMap(({ handoverMs }) => handoverMs ?? []);
  const states: { readonly ms: number; readonly runs: number }[] = [];
  let left = measured;
  while (left.length > 0 && left.length >= leastShare * measured.length) {
    const middle = lowerMedian([...left]);
    const members = left.filter((one) => sameDistance(one, middle));
    states.push({ ms: lowerMedian([...members]), runs: members.length });
    left = left.filter((one) => !sameDistance(one, middle));
  }
  return states
    .filter(({ runs }) => runs >= leastShare * measured.length)
    .sort((a, b) => b.runs - a.runs)
    .map(({ ms }) => ms);
}

/** Trials with only the runs made while cores were so far apart; all runs, where `distanceMs` is undefined. */
export function atDistance(timed: readonly TimedTrial[], distanceMs: number | undefined): TimedTrial[] {
  if (distanceMs === undefined) return [...timed];
  return timed.map((trial) => ({
    ...trial,
    profiles: trial.profiles.filter(
      ({ handoverMs }) => handoverMs !== undefined && sameDistance(handoverMs, distanceMs),
    ),
  }));
}

/**
 * Fits of a new calibration, and those of an earlier one for states that the new one did not see: cores that moved
 * apart will be near each other again.
 */
export function withOtherStates(fits: readonly NativeFit[], earlier: readonly NativeFit[]): NativeFit[] {
  const other = earlier.filter(
    ({ threads, handoverMs }) =>
      handoverMs !== undefined &&
      fits.some((fit) => fit.threads === threads) &&
      !fits.some(
        (fit) =>
          fit.threads === threads && fit.handoverMs !== undefined && sameDistance(fit.handoverMs, handoverMs),
      ),
  );
  // Stable: of the same number of threads, the state seen last comes first.
  return [...fits, ...other].sort((a, b) => a.threads - b.threads);
}

/**
 * The device as it is while a value takes `handoverMs` from one of `threads` threads to another: the fit of the nearest
 * state comes first. The device itself where it knows only one.
 */
export function deviceAtDistance(device: Device, threads: number, handoverMs: number | undefined): Device {
  const calibration = calibrationOf(device);
  if (!calibration || handoverMs === undefined) return device;
  const far = ({ handoverMs: ms }: NativeFit) =>
    ms === undefined ? Number.POSITIVE_INFINITY : Math.abs(Math.log(ms / handoverMs));
  const [first, ...rest] = calibration.fits.filter((fit) => fit.threads === threads);
  if (!first || rest.length === 0) return device;
  const nearest = rest.reduce((best, fit) => (far(fit) < far(best) ? fit : best), first);
  if (nearest === first) return device;
  const fits = [nearest, ...calibration.fits.filter((fit) => fit !== nearest)].sort(
    (a, b) => a.threads - b.threads,
  );
  return { ...device, calibration: { ...calibration, fits } };
}
