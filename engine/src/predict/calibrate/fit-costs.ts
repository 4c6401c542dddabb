import { exchangedBytes } from '../../network/exchanged-bytes.js';
import type { Network } from '../../network/network.js';
import { networkShapes } from '../../network/walk.js';
import type { Profile } from '../../profile.js';
import type { NativeFit } from '../calibration.js';
import type { Caches, Describer } from '../program-cost/describer.js';
import { expectedCosts } from './expected-costs.js';
import { evaluate, robustFit, type Sample } from './least-squares.js';
import { fitByLevel } from './level-costs.js';
import { lowerMedian } from './lower-median.js';
import { atPace, type Pace, paceOf } from './pace.js';
import type { Peaks } from './peaks.js';
import { samplesOf } from './samples.js';
import { outsideOf, type TimedTrial } from './time-trials.js';

/** Times outside passes that differ by less count as nearly equal, ms. */
const toleratedMs = 0.05;

/** Fewest samples for each cost that is fitted. */
const samplesOfAmount = 7;

/** The trials of one network that were timed. */
export interface TimedNetwork {
  readonly network: Network;
  readonly trials: readonly TimedTrial[];
}

/** The profiles of all runs that count. */
export const profilesOf = (timed: readonly TimedNetwork[]): Profile[] =>
  timed.flatMap(({ trials }) => trials.flatMap(({ profiles }) => profiles));

/**
 * What a unit of each amount of work costs, from trials on one number of threads.
 *
 * @param pace of the whole calibration, which all times are scaled to
 * @param handoverMs how far apart the cores were in these trials
 */
export function fitCosts(
  threads: number,
  timed: readonly TimedNetwork[],
  describer: Describer,
  caches: Caches,
  pace: Pace | undefined,
  handoverMs: number | undefined,
  peaks: Peaks,
): NativeFit {
  const quietMs = paceOf(profilesOf(timed))?.quietMs;
  const scaled = pace ? timed.map((one) => ({ ...one, trials: one.trials.map(scaledTo(pace)) })) : timed;
  const shaped = scaled.map((one) => ({
    ...one,
    shapes: networkShapes(one.network, { batch: 1, ...one.network.inputShape }),
  }));
  const samplesWithin = (limitMs: number | undefined): Sample[] =>
    shaped.flatMap(({ network, shapes, trials }) =>
      trials.flatMap((trial) => samplesOf(network, shapes, trial, describer, caches, limitMs)),
    );
  const { amounts: known } = describer;
  const quiet = samplesWithin(quietMs);
  // A calibration that was hardly given a core has few samples, and needs all of them.
  const samples = quiet.length < samplesOfAmount * known.length ? samplesWithin(undefined) : quiet;
  const outside = robustFit(
    shaped.flatMap(({ network, shapes, trials }) =>
      profilesOf([{ network, trials }]).map((profile) => runSample(profile, exchangedBytes(network, shapes))),
    ),
    3,
  );
  const costs = fitByLevel([...samples, ...expectedCosts(known, peaks)], known);
  const errors = samples.map(({ amounts, time }) => Math.abs(evaluate(amounts, costs) / time - 1));
  return {
    threads,
    costs: Object.fromEntries(known.map(({ name }, i) => [name, costs[i]!])),
    runMs: outside[0]!,
    runShare: outside[1]!,
    runByteMs: outside[2]!,
    ...(pace ? { paceMs: pace.medianMs } : {}),
    ...(handoverMs === undefined ? {} : { handoverMs }),
    medianError: lowerMedian(errors),
    samples: samples.length,
  };
}

/**
 * What a run takes that is in no pass: something that every run does, more the longer its passes take, and something for
 * every byte that is copied in and out.
 */
function runSample(profile: Profile, exchanged: number): Sample {
  const time = outsideOf(profile);
  return {
    amounts: Float64Array.of(1, profile.totalMs - time, exchanged),
    time,
    weight: 1 / (time + toleratedMs) ** 2,
  };
}

const scaledTo =
  ({ medianMs }: Pace) =>
  (trial: TimedTrial): TimedTrial => ({
    ...trial,
    profiles: trial.profiles.map((profile) => atPace(profile, medianMs)),
  });
