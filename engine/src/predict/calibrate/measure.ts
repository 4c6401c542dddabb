import type { Session } from '../../backend/backend.js';
import { FoveaError } from '../../errors.js';
import type { Mask, Masker } from '../../mask/mask.js';
import { randomMasker } from '../../mask/random.js';
import { saliencyMasker } from '../../mask/saliency.js';
import { blocksOf, type Network } from '../../network/network.js';
import { makePlan } from '../../plan/make-plan.js';
import type { Plan } from '../../plan/plan.js';
import { dense, lasnet, streamed, unfused } from '../../plan/strategies.js';
import type { Strategy } from '../../plan/strategy.js';
import type { Profile } from '../../profile.js';
import { Random } from '../../random.js';
import { Tensor } from '../../tensor.js';

/** A plan to be timed, with the maskers that decide for it. */
export interface Trial {
  readonly plan: Plan;
  readonly maskers: readonly Masker[];
  readonly threads: number;
}

/** A trial timed several times. */
export interface TimedTrial {
  readonly trial: Trial;
  readonly masks: readonly Mask[];
  /** Every time in it is typical of the runs. */
  readonly profile: Profile;
  /** How much longer the median run took than the shortest: 0.05 is five percent; large where others compute. */
  readonly spread: number;
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

/** An input of plausible values: what they are does not change the time, as long as none is denormal. */
export function plausibleInput(network: Network, batch: number, height: number, width: number): Tensor {
  const input = Tensor.zeros([batch, height, width, network.inputShape.channels]);
  const random = new Random(5);
  for (let i = 0; i < input.data.length; i++) input.data[i] = 2 * random.next() - 1;
  return input;
}

/**
 * Times trials in turn, so that a disturbance touches all of them alike, and sums up pass by pass.
 * The first run of each trial is not counted.
 * @throws FoveaError `aborted`
 */
export async function timeTrials(
  session: Session,
  input: Tensor,
  trials: readonly Trial[],
  runs: number,
  {
    signal,
    onRun,
    typical = median,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly onRun?: () => void;
    readonly typical?: (times: readonly number[]) => number;
  } = {},
): Promise<TimedTrial[]> {
  const profiles: Profile[][] = trials.map(() => []);
  const masks: (readonly Mask[])[] = [];
  for (let run = 0; run <= runs; run++) {
    for (const [i, { plan, maskers, threads }] of trials.entries()) {
      if (signal?.aborted) throw new FoveaError('aborted', 'the measurement was aborted');
      const result = await session.run(input, { plan, maskers, threads, ...(signal ? { signal } : {}) });
      if (run > 0) profiles[i]!.push(result.profile);
      masks[i] = result.masks;
      onRun?.();
    }
  }
  return trials.map((trial, i) => ({
    trial,
    masks: masks[i]!,
    profile: medianProfile(profiles[i]!, typical),
    spread: spreadOf(profiles[i]!.map(({ totalMs }) => totalMs)),
  }));
}

/** Median of numbers; the lower of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1]!;
}

function spreadOf(times: readonly number[]): number {
  const least = Math.min(...times);
  return least > 0 ? median(times) / least - 1 : 0;
}

/** Lower quartile: what a pass takes when nothing disturbs it, as disturbances only ever add time. */
export function lowerQuartile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 2]!;
}

/**
 * The profile of which every time is the median over some runs of the same plan.
 * @param typical another way of summing up several times
 */
export function medianProfile(
  profiles: readonly Profile[],
  typical: (times: readonly number[]) => number = median,
): Profile {
  const first = profiles[0]!;
  const ops = first.ops.map((op, i) => {
    const totalMs = typical(profiles.map((profile) => profile.ops[i]!.totalMs));
    const scale = op.totalMs > 0 ? totalMs / op.totalMs : 0;
    return {
      ...op,
      totalMs,
      computeMs: op.computeMs * scale,
      dataMs: op.dataMs * scale,
      overheadMs: op.overheadMs * scale,
    };
  });
  const blocks = first.blocks.map((block, i) => ({
    ...block,
    totalMs: typical(profiles.map((profile) => profile.blocks[i]!.totalMs)),
  }));
  return { ...first, ops, blocks, totalMs: typical(profiles.map(({ totalMs }) => totalMs)) };
}
