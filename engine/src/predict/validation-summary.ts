import { lowerMedian } from './calibrate/lower-median.js';

/** What was predicted and what was measured. */
export interface Comparison {
  readonly predictedMs: number;
  /** Every pass at the pace of the calibration: see `Validation.slowdown`. */
  readonly measuredMs: number;
  /** By wall clock, without pace correction. */
  readonly unadjustedMs: number;
  /** `predicted / measured − 1`. */
  readonly error: number;
  /** `predicted / unadjusted − 1`. */
  readonly unadjustedError: number;
  /** How far apart the medians of one half of the runs and of the other were, at the calibration's pace. */
  readonly repeat: number;
}

/** One block of one plan. */
export interface BlockComparison extends Comparison {
  readonly block: number;
  readonly name: string;
}

/** One plan. */
export interface PlanComparison extends Comparison {
  readonly strategy: string;
  /** S; `Infinity`, which JSON writes as null, is the whole map. */
  readonly granularity: number;
  readonly rate: number;
  readonly threads: number;
  readonly blocks: readonly BlockComparison[];
}

/**
 * Shares of blocks within 10 % and of plans within 5 %, or within `resolutionMs`, with median errors; 0 for a network
 * without blocks.
 */
export interface ErrorShares {
  readonly blocksWithin10: number;
  readonly plansWithin5: number;
  readonly medianBlockError: number;
  readonly medianPlanError: number;
}

/** How far the predictions of a validation were from its measurements. */
export interface ValidationSummary extends ErrorShares {
  readonly plans: number;
  readonly blocks: number;
  /** The same by wall clock, without pace correction. */
  readonly unadjusted: ErrorShares;
  /** The same of measurement against measurement: half of the runs of each plan against the other half. */
  readonly repeated: ErrorShares;
  /** Median of the blocks' `error` with its sign. */
  readonly bias: number;
  /** Largest loss by taking S and strategy as predicted, over the best measured, at any rate and threads. */
  readonly worstChoiceLoss: number;
  readonly medianChoiceLoss: number;
}

/** Sums up the rows of a validation. */
export function summarise(rows: readonly PlanComparison[]): ValidationSummary {
  const blocks = rows.flatMap((row) => row.blocks);
  const shares = (figure: 'error' | 'unadjustedError' | 'repeat'): ErrorShares => {
    const blockErrors = blocks.map((block) => Math.abs(block[figure]));
    const planErrors = rows.map((row) => Math.abs(row[figure]));
    return {
      blocksWithin10: within(blocks, figure, 0.1),
      plansWithin5: within(rows, figure, 0.05),
      medianBlockError: medianOf(blockErrors),
      medianPlanError: medianOf(planErrors),
    };
  };
  const losses = choiceLosses(rows);
  return {
    plans: rows.length,
    blocks: blocks.length,
    ...shares('error'),
    unadjusted: shares('unadjustedError'),
    repeated: shares('repeat'),
    bias: medianOf(blocks.map((block) => block.error)),
    worstChoiceLoss: Math.max(0, ...losses),
    medianChoiceLoss: medianOf(losses),
  };
}

/** 0 of nothing. */
const medianOf = (values: readonly number[]): number => (values.length > 0 ? lowerMedian(values) : 0);

/**
 * What a clock and a cold cache make of any time, ms. A block whose cells are all inactive takes less than this: a
 * relative bound would say nothing of it.
 */
export const resolutionMs = 0.005;

const within = (
  comparisons: readonly Comparison[],
  figure: 'error' | 'unadjustedError' | 'repeat',
  limit: number,
) =>
  comparisons.filter((one) => {
    const error = Math.abs(one[figure]);
    return error <= limit || error * one.measuredMs <= resolutionMs;
  }).length / Math.max(1, comparisons.length);

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
