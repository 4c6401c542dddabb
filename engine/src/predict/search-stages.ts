import { FoveaError } from '../errors.js';
import { dense } from '../plan/strategies.js';
import type { Advice } from './advice.js';
import type { Candidate } from './candidate.js';
import type { StageOption } from './pareto.js';

/** What the search found for one block. */
export interface BlockChoice {
  readonly block: number;
  readonly name: string;
  readonly stage: number;
  readonly best: Candidate;
  readonly dense: Candidate;
  /** Every candidate, in the order tried. */
  readonly candidates: readonly Candidate[];
  readonly advice: Advice;
}

/** What the search found for a stage whose blocks all share S and strategy. */
export interface StageChoice {
  readonly stage: number;
  readonly blocks: number;
  readonly best: StageCandidate;
  readonly candidates: readonly StageCandidate[];
}

/** One strategy and S for a stage, with its predicted time. */
export interface StageCandidate {
  readonly strategy: string;
  readonly granularity: number;
  readonly totalMs: number;
}

/** Takes the best of some candidates by the search's objective. */
export type Chooser = <T extends { readonly granularity: number; readonly totalMs: number }>(
  candidates: readonly T[],
) => T;

/** The rule by which `objective` chooses. */
export function chooser(objective: 'latency' | 'finest', tolerance: number): Chooser {
  return (candidates) => {
    let best = candidates[0]!;
    for (const candidate of candidates) if (candidate.totalMs < best.totalMs) best = candidate;
    if (objective === 'latency') return best;
    const limit = best.totalMs * (1 + tolerance);
    for (const candidate of candidates) {
      if (candidate.totalMs > limit) continue;
      const finer = candidate.granularity - best.granularity;
      if (finer < 0 || (finer === 0 && candidate.totalMs < best.totalMs)) best = candidate;
    }
    return best;
  };
}

/** One S and one strategy for all blocks of a stage; a block that cannot be adaptive counts as it is. */
export function chooseForStages(choices: readonly BlockChoice[], pick: Chooser): StageChoice[] {
  const stages = new Map<number, BlockChoice[]>();
  for (const choice of choices) stages.set(choice.stage, [...(stages.get(choice.stage) ?? []), choice]);
  return [...stages].map(([stage, members]) => {
    const sums = new Map<string, StageCandidate & { readonly count: number }>();
    const movable = members.filter(({ candidates }) => candidates.length > 1);
    const fixedMs = members
      .filter(({ candidates }) => candidates.length === 1)
      .reduce((sum, { best }) => sum + best.totalMs, 0);
    for (const { candidates } of movable) {
      for (const { strategy, granularity, mode, totalMs } of candidates) {
        const S = mode === 'dense' ? 1 : granularity;
        const key = `${strategy} ${S}`;
        const known = sums.get(key) ?? { strategy, granularity: S, totalMs: fixedMs, count: 0 };
        sums.set(key, { ...known, totalMs: known.totalMs + totalMs, count: known.count + 1 });
      }
    }
    const complete = [...sums.values()].filter(({ count }) => count === movable.length);
    const candidates: StageCandidate[] =
      movable.length === 0
        ? [{ strategy: dense.name, granularity: 1, totalMs: fixedMs }]
        : complete.map(({ strategy, granularity, totalMs }) => ({ strategy, granularity, totalMs }));
    return { stage, blocks: members.length, best: pick(candidates), candidates };
  });
}

/** Time and score of every S of every stage, each block at its best strategy. */
export function stageOptions(
  choices: readonly BlockChoice[],
  scores: Readonly<Record<number, number>>,
): StageOption[][] {
  const stages = new Map<number, Map<number, StageOption & { readonly count: number }>>();
  const sizes = new Map<number, number>();
  for (const { stage, candidates, best } of choices) {
    sizes.set(stage, (sizes.get(stage) ?? 0) + 1);
    const options = stages.get(stage) ?? new Map();
    stages.set(stage, options);
    for (const S of Object.keys(scores).map(Number)) {
      const adaptive = candidates.filter(({ mode, granularity }) => mode === 'adaptive' && granularity === S);
      if (candidates.length > 1 && adaptive.length === 0) continue;
      const fastest = Math.min(
        ...adaptive.map(({ totalMs }) => totalMs),
        candidates.length > 1 ? Infinity : best.totalMs,
      );
      const known = options.get(S) ?? { granularity: S, totalMs: 0, score: 0, count: 0 };
      options.set(S, {
        granularity: S,
        totalMs: known.totalMs + fastest,
        score: known.score + scores[S]!,
        count: known.count + 1,
      });
    }
  }
  return [...stages].map(([stage, options]) => {
    const complete = [...options.values()].filter(({ count }) => count === sizes.get(stage));
    if (complete.length === 0) {
      throw new FoveaError(
        'bad-argument',
        `scores: none of S = ${Object.keys(scores).join(', ')} was searched in stage ${stage + 1}`,
      );
    }
    return complete;
  });
}
