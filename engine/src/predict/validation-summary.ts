import { median } from './calibrate/measure.js';

/** One block of one plan: what was predicted and what was measured, ms. */
export interface BlockComparison {
  readonly block: number;
  readonly name: string;
  readonly predictedMs: number;
  readonly measuredMs: number;
  /** `predicted / measured − 1`. */
  readonly error: number;
  /** The same with the prediction at the machine's present speed: see `Validation.drift`. */
  readonly errorAtSpeed: number;
  /** How far apart the medians of one half of the runs and of the other were. */
  readonly repeat: number;
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
  readonly errorAtSpeed: number;
  readonly repeat: number;
  readonly blocks: readonly BlockComparison[];
}

/** Shares of blocks within 10 % and of plans within 5 %, with median errors. */
export interface ErrorShares {
  readonly blocksWithin10: number;
  readonly plansWithin5: number;
  readonly medianBlockError: number;
  readonly medianPlanError: number;
}

export interface ValidationSummary extends ErrorShares {
  readonly plans: number;
  readonly blocks: number;
  /** The same at the machine's present speed, as the reference tells it. */
  readonly atSpeed: ErrorShares;
  /** The same of measurement against measurement: half of the runs of each plan against the other half. */
  readonly repeated: ErrorShares;
  /** Median of the blocks' `errorAtSpeed` with its sign. */
  readonly bias: number;
  /** Largest loss by taking S and strategy as predicted, over the best measured, at any rate and threads. */
  readonly worstChoiceLoss: number;
  readonly medianChoiceLoss: number;
}

/** Sums up the rows of a validation. */
export function summarise(rows: readonly PlanComparison[]): ValidationSummary {
  const blocks = rows.flatMap((row) => row.blocks);
  const shares = (figure: 'error' | 'errorAtSpeed' | 'repeat'): ErrorShares => {
    const blockErrors = blocks.map((block) => Math.abs(block[figure]));
    const planErrors = rows.map((row) => Math.abs(row[figure]));
    return {
      blocksWithin10: within(blockErrors, 0.1),
      plansWithin5: within(planErrors, 0.05),
      medianBlockError: median(blockErrors),
      medianPlanError: median(planErrors),
    };
  };
  const losses = choiceLosses(rows);
  return {
    plans: rows.length,
    blocks: blocks.length,
    ...shares('error'),
    atSpeed: shares('errorAtSpeed'),
    repeated: shares('repeat'),
    bias: median(blocks.map((block) => block.errorAtSpeed)),
    worstChoiceLoss: Math.max(0, ...losses),
    medianChoiceLoss: median(losses.length > 0 ? losses : [0]),
  };
}

const within = (errors: readonly number[], limit: number) =>
  errors.filter((error) => error <= limit).length / Math.max(1, errors.length);

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
