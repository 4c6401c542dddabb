import type { Session } from '../../backends/backend.js';
import { FoveaError } from '../../errors.js';
import type { Mask, Masker } from '../../mask/mask.js';
import { randomMasker } from '../../mask/random-masker.js';
import { saliencyMasker } from '../../mask/saliency.js';
import { blocksOf, type Network } from '../../network/network.js';
import { makePlan } from '../../plan/make-plan.js';
import type { Plan } from '../../plan/plan.js';
import { dense, lasnet, streamed, unfused } from '../../plan/strategies.js';
import type { Strategy } from '../../plan/strategy.js';
import type { Profile } from '../../profile.js';
import { Random } from '../../random.js';
import { Tensor } from '../../tensor.js';
import { lowerMedian } from './lower-median.js';
import { Disturbance } from './others.js';
import { quietOf } from './pace.js';

/** A plan to be timed, with the maskers that decide for it. */
export interface Trial {
  readonly plan: Plan;
  readonly maskers: readonly Masker[];
  readonly threads: number;
}

/** A trial, and the session that runs it. */
export interface Job {
  readonly session: Session;
  readonly input: Tensor;
  readonly trial: Trial;
}

/** A trial timed several times. */
export interface TimedTrial {
  readonly trial: Trial;
  readonly masks: readonly Mask[];
  /** One of every run that counts, in order, with its pace: those that other programs disturbed are left out. */
  readonly profiles: readonly Profile[];
}

const choices: readonly Strategy[] = [dense, unfused, lasnet, streamed];
const granularities = [1, 2, 3, 4, 5, 7, 8, Number.POSITIVE_INFINITY];

/**
 * Plans that differ from block to block at random: strategy, S, rate and masker, so that a few runs of a
 * network show every kind of pass at many amounts of work.
 */
export function randomTrials(network: Network, count: number, threads: number, seed: number): Trial[] {
  const blocks = blocksOf(network);
  return Array.from({ length: count }, (_, index) => {
    const random = new Random(seed, index);
    const picks = blocks.map(() => choices[random.below(choices.length)]!);
    const granularity = blocks.map(() => granularities[random.below(granularities.length)]!);
    const maskers = blocks.map((_block, i) => {
      const rate = random.next();
      return random.next() < 0.25 ? saliencyMasker(rate) : randomMasker(rate, seed + i);
    });
    const strategy: Strategy = {
      name: 'trial',
      description: 'a different strategy for every block',
      plan: (context) => picks[context.block.index]!.plan(context),
    };
    const excitation = random.next() < 0.7 ? 'exact' : 'active';
    return {
      plan: makePlan(network, { strategy, granularity, maskers, threads, excitation }),
      maskers,
      threads,
    };
  });
}

/** An input of plausible values, which do not affect the time unless they are denormal. */
export function plausibleInput(network: Network, batch: number, height: number, width: number): Tensor {
  const input = Tensor.zeros([batch, height, width, network.inputShape.channels]);
  const random = new Random(5);
  for (let i = 0; i < input.data.length; i++) input.data[i] = 2 * random.next() - 1;
  return input;
}

/** Programs timed in turn: not more than a session keeps ready. */
const together = 12;

/**
 * Times trials in turn, in several rounds over all of them, so that a disturbance touches all alike and every
 * trial is timed at different moments. The first run of a trial in each round is not counted.
 *
 * @param options `rounds` over all trials, with `runs` counted runs of each
 * @throws FoveaError `aborted`
 */
export async function timeTrials(
  jobs: readonly Job[],
  options: {
    readonly runs: number;
    readonly rounds?: number;
    readonly signal?: AbortSignal | undefined;
    /** Awaited before each round, from 0. */
    readonly beforeRound?: (round: number) => Promise<void>;
    /** Called with the fraction done, 0…1. */
    readonly onProgress?: (fraction: number) => void;
  },
): Promise<TimedTrial[]> {
  const { runs, rounds = 1, signal, beforeRound, onProgress } = options;
  const records = jobs.map((job) => new Recording(job, signal));
  for (let round = 0; round < rounds; round++) {
    await beforeRound?.(round);
    for (let first = 0; first < records.length; first += together) {
      onProgress?.((round + first / records.length) / rounds);
      const group = records.slice(first, first + together);
      for (let run = 0; run <= runs; run++) {
        const disturbance = new Disturbance();
        for (const record of group) await record.run(run > 0);
        const { cores } = disturbance;
        for (const record of group) record.disturbed(cores);
      }
    }
  }
  return records.map((record) => record.timed);
}

/** Collects the runs of one job. */
class Recording {
  private readonly runs: { readonly profile: Profile; cores: number }[] = [];
  private masks: readonly Mask[] = [];

  constructor(
    private readonly job: Job,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async run(counts: boolean): Promise<void> {
    const { job, signal } = this;
    if (signal?.aborted) throw new FoveaError('aborted', 'the measurement was aborted');
    const { plan, maskers, threads } = job.trial;
    const { profile, masks } = await job.session.run(job.input, {
      plan,
      maskers,
      threads,
      paced: true,
      ...(signal ? { signal } : {}),
    });
    if (counts) this.runs.push({ profile, cores: Number.POSITIVE_INFINITY });
    this.masks = masks;
  }

  /** Says how many cores others kept busy around the runs that have not been reported yet. */
  disturbed(cores: number): void {
    for (const run of this.runs) if (run.cores === Number.POSITIVE_INFINITY) run.cores = cores;
  }

  get timed(): TimedTrial {
    return { trial: this.job.trial, masks: this.masks, profiles: calmest(this.runs) };
  }
}

/** Cores busy with something else below which a run counts as undisturbed. */
const calmCores = 0.1;

/** Undisturbed runs, or else the calmer half, in the order in which they ran. */
function calmest(runs: readonly { readonly profile: Profile; readonly cores: number }[]): Profile[] {
  const sorted = runs.map(({ cores }) => cores).sort((a, b) => a - b);
  const limit = Math.max(calmCores, sorted[(sorted.length - 1) >> 1] ?? 0);
  return runs.filter(({ cores }) => cores <= limit).map(({ profile }) => profile);
}

/** Time of a run that is in none of its passes, ms. */
export function outsideOf({ totalMs, ops }: Profile): number {
  return Math.max(
    0,
    ops.reduce((rest, op) => rest - op.totalMs, totalMs),
  );
}

/**
 * The profile in which every pass takes the median of its times over some runs of the same plan, and blocks and
 * the whole run the sum of their passes. A disturbance that hits one pass of a run is thus left out, where a
 * median of whole runs would keep it: hardly any run is hit nowhere.
 *
 * @param quietMs the longest pace of a quiet moment: other times of a pass count only where there are few of these
 */
export function profileOfMedians(profiles: readonly Profile[], quietMs?: number): Profile {
  const first = profiles[0]!;
  const ops = first.ops.map((op, i) => {
    const timings = quietOf(
      profiles.map((profile) => profile.ops[i]!),
      quietMs,
    );
    const totalMs = lowerMedian(timings.map((timing) => timing.totalMs));
    const scale = op.totalMs > 0 ? totalMs / op.totalMs : 0;
    return {
      ...op,
      totalMs,
      computeMs: op.computeMs * scale,
      dataMs: op.dataMs * scale,
      overheadMs: op.overheadMs * scale,
    };
  });
  const sum = (block?: number) =>
    ops.reduce((ms, op) => (block === undefined || op.block === block ? ms + op.totalMs : ms), 0);
  const blocks = first.blocks.map((block) => ({ ...block, totalMs: sum(block.block) }));
  return { ...first, ops, blocks, totalMs: sum() + lowerMedian(profiles.map(outsideOf)) };
}
