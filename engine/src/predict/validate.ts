import { expectArgument, expectOptions, type Kinds } from '../arguments/expect.js';
import {
  aCount,
  aFunction,
  aNetwork,
  aNumber,
  anObject,
  aSignal,
  aText,
  later,
  listOf,
  numbers,
} from '../arguments/kinds.js';
import type { Backend, Session } from '../backends/backend.js';
import { FoveaError } from '../errors.js';
import { randomMasker } from '../mask/random-masker.js';
import { checkRate } from '../mask/rate.js';
import { blocksOf, type Network } from '../network/network.js';
import type { Device } from '../plan/device.js';
import { checkGranularity } from '../plan/granularity.js';
import { makePlan } from '../plan/make-plan.js';
import type { StrategyName } from '../plan/strategy.js';
import type { Profile } from '../profile.js';
import { getBackend } from '../run/backends.js';
import { checkThreads, threadsText } from '../threads.js';
import { atDistance, deviceAtDistance, distancesOf, sameDistance } from './calibrate/core-distance.js';
import { deviceInTurns } from './calibrate/device-in-turns.js';
import { atPace, paceOf } from './calibrate/pace.js';
import {
  plausibleInput,
  profileOfMedians,
  type TimedTrial,
  type Trial,
  timeTrials,
} from './calibrate/time-trials.js';
import { calibrationOf, fitFor } from './calibration.js';
import type { DeviceName } from './devices.js';
import { gpuCalibrationOf } from './gpu/gpu-calibration.js';
import { predict } from './predict.js';
import {
  type Comparison,
  type PlanComparison,
  summarise,
  type ValidationSummary,
} from './validation-summary.js';

/** Which plans to predict and measure; everything has a sensible default. */
export interface ValidateOptions {
  /** `this-machine` when left out, `this-gpu` for the webgpu backend. */
  readonly device?: Device | DeviceName;
  /**
   * Calibrate in turns with the measurement, for this many seconds for each number of threads, and predict with that in
   * the place of `device`; nothing is stored. Machines change within minutes: errors of predictions by an earlier
   * calibration come from the model and from such changes, these from the model.
   */
  readonly calibrateSeconds?: number;
  readonly strategies?: readonly StrategyName[];
  /** S to try, each for all blocks; `Infinity` is the whole map. */
  readonly granularities?: readonly number[];
  readonly rates?: readonly number[];
  readonly threads?: readonly number[];
  /** Timed runs of each plan, spread over the measurement; 8 when left out. */
  readonly runs?: number;
  readonly height?: number;
  readonly width?: number;
  /** The native backend when left out. */
  readonly backend?: Backend;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, what: string) => void;
}

/** What `validatePredictions` measured. */
export interface Validation {
  readonly network: string;
  readonly device: string;
  readonly runs: number;
  /** True when a program computed in the place of a GPU: times say nothing about one. */
  readonly software: boolean;
  /**
   * By number of threads: how many times as long the same piece of arithmetic took between the passes as at the
   * calibration, by the median. Clocks and neighbours move it from one second to the next.
   */
  readonly slowdown: Readonly<Record<number, number>>;
  /**
   * By number of threads above one, where it could be measured: how far apart the cores were (see `Profile.handoverMs`)
   * while the runs that count were made, and when the machine was calibrated.
   */
  readonly handover: Readonly<Record<number, CoreDistance>>;
  readonly rows: readonly PlanComparison[];
  readonly summary: ValidationSummary;
}

/** How far apart cores were: the time that a value takes from one thread to another, ms. */
export interface CoreDistance {
  readonly measuredMs: number;
  /** Of the calibration's fit that predictions were made with; undefined where it has none. */
  readonly calibratedMs: number | undefined;
  /** True where these are two different states, so that predictions do not hold for what was measured. */
  readonly moved: boolean;
}

const validateOptionKinds: Kinds<ValidateOptions> = {
  device: later,
  calibrateSeconds: aNumber,
  backend: anObject,
  strategies: listOf(aText, 'names of strategies'),
  granularities: numbers,
  rates: numbers,
  threads: numbers,
  runs: aCount,
  height: aNumber,
  width: aNumber,
  signal: aSignal,
  onProgress: aFunction,
};

/** Counted runs of a plan in each round over all plans. */
const runsOfRound = 2;

/**
 * Predicts and measures the same plans on this machine, with the same random masks. Runs of a plan are spread over
 * the whole measurement. Each pass counts with the median of its runs, converted to the pace of the calibration; blocks and
 * plans count with their sums. On several threads only runs of the state count that the cores were in most of the time, and
 * of the calibration the fit for the state nearest to it.
 *
 * @throws FoveaError `backend-unavailable` when the machine is not calibrated or has no native backend,
 *   `bad-argument` for options out of range, `calibrateSeconds` beside a device or for a GPU, or a GPU other than the calibrated
 *   one, `aborted`
 */
export async function validatePredictions(
  network: Network,
  options: ValidateOptions = {},
): Promise<Validation> {
  expectArgument(network, aNetwork, 'validatePredictions: network');
  expectOptions(options, validateOptionKinds, 'validatePredictions');
  const {
    strategies = ['dense', 'unfused', 'lasnet', 'streamed'],
    granularities = [1, 2, 4, 7, 8, Number.POSITIVE_INFINITY],
    rates = [0.1, 0.3, 0.5, 0.7, 1],
    threads = [1],
    runs = 8,
    signal,
    onProgress,
  } = options;
  for (const [name, list] of Object.entries({ strategies, granularities, rates, threads })) {
    if (list.length === 0) throw new FoveaError('bad-argument', `no ${name}: at least one is accepted`);
  }
  rates.forEach(checkRate);
  for (const S of granularities) checkGranularity(S, 'validatePredictions');
  threads.forEach(checkThreads);
  const { height = network.inputShape.height, width = network.inputShape.width } = options;
  const backend = options.backend ?? getBackend('native');
  const source = await deviceInTurns(backend, options);
  let session: Session | undefined;
  try {
    session = await backend.open(network, { batch: 1, height, width });
    const input = plausibleInput(network, 1, height, width);
    const parts: ComparedPlans[] = [];
    // Set by the loop below: an empty list of threads was refused.
    let device!: Device;
    for (const [position, count] of threads.entries()) {
      const turn = { threads: count, share: 1 / Math.ceil(runs / runsOfRound), signal };
      await source.next(turn);
      const plans = plansOf(
        network,
        { strategies, granularities, rates, height, width },
        source.device(),
        count,
      );
      const timed = await timeTrials(
        plans.map((trial) => ({ session: session!, input, trial })),
        {
          runs: Math.min(runs, runsOfRound),
          rounds: Math.ceil(runs / runsOfRound),
          signal,
          beforeRound: async (round) => {
            if (round > 0) await source.next(turn);
          },
          onProgress: (fraction) => onProgress?.((position + fraction) / threads.length, threadsText(count)),
        },
      );
      // Fitted to all turns; asked for once, as each asking fits again.
      device = source.device();
      parts.push(comparePlans(network, device, plans, timed, count, { height, width }));
    }
    onProgress?.(1, 'done');
    const rows = parts.flatMap((part) => part.rows);
    return {
      network: network.name,
      device: device.name,
      runs,
      software: gpuCalibrationOf(device)?.software ?? false,
      slowdown: Object.fromEntries(parts.map((part) => [part.threads, part.slowdown])),
      handover: Object.fromEntries(
        parts.flatMap(({ threads, distance }) => (distance ? [[threads, distance]] : [])),
      ),
      rows,
      summary: summarise(rows),
    };
  } finally {
    session?.dispose();
    source.dispose();
  }
}

/** A plan to compare, and what it was made from. */
interface ComparedTrial extends Trial {
  readonly strategy: string;
  readonly granularity: number;
  readonly rate: number;
}

/** What `validatePredictions` finds for one number of threads. */
interface ComparedPlans {
  readonly threads: number;
  readonly rows: readonly PlanComparison[];
  readonly slowdown: number;
  readonly distance: CoreDistance | undefined;
}

/** Every strategy at every S and rate; a dense plan, which has neither, once. */
function plansOf(
  network: Network,
  {
    strategies,
    granularities,
    rates,
    height,
    width,
  }: Required<Pick<ValidateOptions, 'strategies' | 'granularities' | 'rates' | 'height' | 'width'>>,
  device: Device,
  threads: number,
): ComparedTrial[] {
  return strategies.flatMap((strategy) => {
    const dense = strategy === 'dense';
    return (dense ? [1] : granularities).flatMap((granularity) =>
      (dense ? [1] : rates).map((rate) => {
        const maskers = blocksOf(network).map(() => randomMasker(rate, 11));
        const asked = { strategy, granularity, maskers, device, height, width, threads };
        return { plan: makePlan(network, asked), maskers, threads, strategy, granularity, rate };
      }),
    );
  });
}

/** Predictions against what was measured, in the state that the cores were in most of the time. */
function comparePlans(
  network: Network,
  calibrated: Device,
  plans: readonly ComparedTrial[],
  measured: readonly TimedTrial[],
  threads: number,
  size: { readonly height: number; readonly width: number },
): ComparedPlans {
  const [measuredMs] = distancesOf(measured.flatMap(({ profiles }) => profiles));
  const inState = atDistance(measured, measuredMs);
  // A plan that only ran in another state is compared with that.
  const timed = measured.map((runs, i) => (inState[i]!.profiles.length > 0 ? inState[i]! : runs));
  const device = deviceAtDistance(calibrated, threads, measuredMs);
  const calibration = calibrationOf(device);
  const fit = calibration && fitFor(calibration, threads);
  const calibratedMs = fit?.handoverMs;
  const moved =
    measuredMs !== undefined && calibratedMs !== undefined && !sameDistance(measuredMs, calibratedMs);
  const now = paceOf(timed.flatMap(({ profiles }) => profiles));
  const then = fit?.paceMs ?? now?.medianMs;
  return {
    threads,
    rows: timed.map((runs, i) => {
      const { plan } = plans[i]!;
      const asked = { device, plan, threads, masks: runs.masks, batch: 1, ...size };
      return compare(network, plans[i]!, predict(network, asked), runs, then, now?.quietMs);
    }),
    slowdown: now && then ? now.medianMs / then : 1,
    distance: measuredMs === undefined ? undefined : { measuredMs, calibratedMs, moved },
  };
}

function compare(
  network: Network,
  trial: ComparedTrial,
  predicted: Profile,
  { profiles }: TimedTrial,
  paceMs: number | undefined,
  quietMs: number | undefined,
): PlanComparison {
  const { strategy, granularity, rate, threads } = trial;
  const paced = paceMs === undefined ? profiles : profiles.map((profile) => atPace(profile, paceMs));
  const [measured, unadjusted] = [profileOfMedians(paced, quietMs), profileOfMedians(profiles)];
  // Every other run: two measurements of the same.
  const half = (which: number) => {
    const runs = paced.filter((_, run) => run % 2 === which);
    return runs.length > 0 ? profileOfMedians(runs, quietMs) : measured;
  };
  const [first, second] = [half(0), half(1)];
  const comparisonOf = (timeOf: (profile: Profile) => number): Comparison => ({
    predictedMs: timeOf(predicted),
    measuredMs: timeOf(measured),
    unadjustedMs: timeOf(unadjusted),
    error: timeOf(predicted) / timeOf(measured) - 1,
    unadjustedError: timeOf(predicted) / timeOf(unadjusted) - 1,
    repeat: timeOf(first) / timeOf(second) - 1,
  });
  return {
    strategy,
    granularity,
    rate,
    threads,
    ...comparisonOf(({ totalMs }) => totalMs),
    blocks: blocksOf(network).map((block, i) => ({
      block: block.index,
      name: block.name,
      ...comparisonOf(({ blocks }) => blocks[i]!.totalMs),
    })),
  };
}
