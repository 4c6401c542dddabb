import type { Backend } from '../backend/backend.js';
import { FoveaError } from '../errors.js';
import type { Mask } from '../mask/mask.js';
import { randomMasker } from '../mask/random.js';
import { checkRate } from '../mask/rate.js';
import { blocksOf, type Network } from '../network/network.js';
import { makePlan } from '../plan/make-plan.js';
import type { Profile } from '../profile.js';
import { getBackend } from '../run/backends.js';
import { median, plausibleInput, type Trial, timeTrials } from './calibrate/measure.js';
import type { Device } from './device.js';
import { predict } from './predict.js';

/** Which plans to predict and measure; everything has a sensible default. */
export interface ValidateOptions {
  /** `this-machine` when left out. */
  readonly device?: Device | string;
  readonly strategies?: readonly string[];
  /** S to try, each for all blocks; `Infinity` is the whole map. */
  readonly granularities?: readonly number[];
  readonly rates?: readonly number[];
  readonly threads?: readonly number[];
  /** Timed runs of each plan, interleaved with those of other plans; their median counts. */
  readonly runs?: number;
  readonly height?: number;
  readonly width?: number;
  /** The native backend when left out. */
  readonly backend?: Backend;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, what: string) => void;
}

/** One block of one plan: what was predicted and what was measured, ms. */
export interface BlockComparison {
  readonly block: number;
  readonly name: string;
  readonly predictedMs: number;
  readonly measuredMs: number;
  /** `predicted / measured − 1`. */
  readonly error: number;
}

/** One plan. */
export interface PlanComparison {
  readonly strategy: string;
  /** S; `Infinity`, which JSON writes as null, is the whole map. */
  readonly granularity: number;
  readonly rate: number;
  readonly threads: number;
  readonly predictedMs: number;
  readonly measuredMs: number;
  readonly error: number;
  /** How much longer the median run took than the shortest: what the measurement itself is good for. */
  readonly spread: number;
  readonly blocks: readonly BlockComparison[];
}

export interface ValidationSummary {
  readonly plans: number;
  readonly blocks: number;
  /** Share of blocks whose prediction is within 10 % of the measured median. */
  readonly blocksWithin10: number;
  /** Share of plans whose total is within 5 %. */
  readonly plansWithin5: number;
  readonly medianBlockError: number;
  readonly medianPlanError: number;
  /**
   * Median of `predicted / measured − 1` with its sign: below 0 when the machine is slower now than when it was
   * calibrated, above 0 when it is faster. Neighbours and clocks move it from hour to hour.
   */
  readonly bias: number;
  /** `blocksWithin10` with that bias taken out: how well the model tells blocks and plans apart. */
  readonly blocksWithin10Unbiased: number;
  /** Largest loss by taking S and strategy as predicted, over the best measured, at any rate and threads. */
  readonly worstChoiceLoss: number;
  readonly medianChoiceLoss: number;
  /** Median of the plans' `spread`. */
  readonly medianSpread: number;
}

export interface Validation {
  readonly network: string;
  readonly device: string;
  readonly runs: number;
  readonly rows: readonly PlanComparison[];
  readonly summary: ValidationSummary;
}

/** Plans timed in turn; the backend keeps as many programs. */
const planned = 6;

/**
 * Predicts and measures the same plans on this machine, with the same random masks.
 *
 * @throws FoveaError `backend-unavailable` when the machine is not calibrated or has no native backend,
 *   `bad-argument` for options out of range, `aborted`
 */
export async function validate(network: Network, options: ValidateOptions = {}): Promise<Validation> {
  const {
    device = 'this-machine',
    strategies = ['dense', 'unfused', 'lasnet', 'streamed'],
    granularities = [1, 2, 4, 7, 8, Number.POSITIVE_INFINITY],
    rates = [0.1, 0.3, 0.5, 0.7, 1],
    threads = [1],
    runs = 7,
    signal,
    onProgress,
  } = options;
  if (!Number.isInteger(runs) || runs < 1) {
    throw new FoveaError('bad-argument', `runs ${runs}: an integer of at least 1 is accepted`);
  }
  rates.forEach(checkRate);
  const { height = network.inputShape.height, width = network.inputShape.width } = options;
  const backend = options.backend ?? getBackend('native');
  const session = await backend.open(network, { batch: 1, height, width });
  try {
    const input = plausibleInput(network, 1, height, width);
    const trials = threads.flatMap((count) =>
      strategies.flatMap((strategy) => {
        const dense = strategy === 'dense';
        return (dense ? [1] : granularities).flatMap((granularity) =>
          (dense ? [1] : rates).map((rate) => {
            const maskers = blocksOf(network).map(() => randomMasker(rate, 11));
            const plan = makePlan(network, { strategy, granularity, maskers, threads: count, height, width });
            return { plan, maskers, threads: count, strategy, granularity, rate };
          }),
        );
      }),
    );
    const rows: PlanComparison[] = [];
    for (let first = 0; first < trials.length; first += planned) {
      const together = trials.slice(first, first + planned);
      onProgress?.(first / trials.length, together[0]!.strategy);
      const timed = await timeTrials(session, input, together, runs, { signal });
      timed.forEach(({ masks, profile, spread }, i) => {
        const trial = together[i]!;
        rows.push(
          compare(
            network,
            trial,
            predictTrial(network, device, trial, masks, height, width),
            profile,
            spread,
          ),
        );
      });
    }
    onProgress?.(1, 'done');
    return { network: network.name, device: deviceName(device), runs, rows, summary: summarise(rows) };
  } finally {
    session.dispose();
  }
}

const deviceName = (device: Device | string) => (typeof device === 'string' ? device : device.name);

function predictTrial(
  network: Network,
  device: Device | string,
  { plan, threads }: Trial,
  masks: readonly Mask[],
  height: number,
  width: number,
): Profile {
  return predict(network, { device, plan, threads, masks, batch: 1, height, width });
}

function compare(
  network: Network,
  trial: { strategy: string; granularity: number; rate: number; threads: number },
  predicted: Profile,
  measured: Profile,
  spread: number,
): PlanComparison {
  const { strategy, granularity, rate, threads } = trial;
  return {
    strategy,
    granularity,
    rate,
    threads,
    predictedMs: predicted.totalMs,
    measuredMs: measured.totalMs,
    error: predicted.totalMs / measured.totalMs - 1,
    spread,
    blocks: blocksOf(network).map((block, i) => {
      const predictedMs = predicted.blocks[i]!.totalMs;
      const measuredMs = measured.blocks[i]!.totalMs;
      return {
        block: block.index,
        name: block.name,
        predictedMs,
        measuredMs,
        error: predictedMs / measuredMs - 1,
      };
    }),
  };
}

function summarise(rows: readonly PlanComparison[]): ValidationSummary {
  const signed = rows.flatMap(({ blocks }) => blocks.map(({ error }) => error));
  const blockErrors = signed.map(Math.abs);
  const bias = median(signed);
  const unbiased = signed.map((error) => Math.abs((1 + error) / (1 + bias) - 1));
  const planErrors = rows.map(({ error }) => Math.abs(error));
  const share = (errors: readonly number[], limit: number) =>
    errors.filter((error) => error <= limit).length / Math.max(1, errors.length);
  const losses = choiceLosses(rows);
  return {
    plans: rows.length,
    blocks: blockErrors.length,
    blocksWithin10: share(blockErrors, 0.1),
    plansWithin5: share(planErrors, 0.05),
    medianBlockError: median(blockErrors),
    medianPlanError: median(planErrors),
    bias,
    blocksWithin10Unbiased: share(unbiased, 0.1),
    worstChoiceLoss: Math.max(0, ...losses),
    medianChoiceLoss: median(losses.length > 0 ? losses : [0]),
    medianSpread: median(rows.map(({ spread }) => spread)),
  };
}

/** For each rate and number of threads: how much slower the predicted best plan is than the measured best. */
function choiceLosses(rows: readonly PlanComparison[]): number[] {
  const questions = new Map<string, PlanComparison[]>();
  for (const row of rows) {
    if (row.strategy === 'dense') continue;
    const key = `${row.threads} ${row.rate}`;
    questions.set(key, [...(questions.get(key) ?? []), row]);
  }
  for (const [key, members] of questions) {
    const threads = Number(key.split(' ')[0]);
    members.push(...rows.filter((row) => row.strategy === 'dense' && row.threads === threads));
  }
  const least = (members: readonly PlanComparison[], time: (row: PlanComparison) => number) =>
    members.reduce((best, row) => (time(row) < time(best) ? row : best));
  return [...questions.values()].map((members) => {
    const chosen = least(members, ({ predictedMs }) => predictedMs);
    const best = least(members, ({ measuredMs }) => measuredMs);
    return chosen.measuredMs / best.measuredMs - 1;
  });
}
