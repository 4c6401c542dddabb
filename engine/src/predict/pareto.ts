/** A choice of S per stage with its predicted time and its score. */
export interface ParetoPoint {
  /** S of each stage. */
  readonly granularity: readonly number[];
  readonly totalMs: number;
  /** Mean over blocks of the score given for their S; 0 without blocks. */
  readonly score: number;
}

/** What is known of one stage: time and score of each S. */
export interface StageOption {
  readonly granularity: number;
  readonly totalMs: number;
  /** Sum over the stage's blocks. */
  readonly score: number;
}

/**
 * The combinations of S per stage that no other beats in both time and score, fastest first. Scores of blocks
 * are taken to add up. Stages are combined one after the other and only undominated prefixes are kept, which
 * loses none because both figures add.
 */
export function paretoFront(
  stages: readonly (readonly StageOption[])[],
  blocks: number,
  fixedMs: number,
): ParetoPoint[] {
  let front: ParetoPoint[] = [{ granularity: [], totalMs: fixedMs, score: 0 }];
  for (const options of stages) {
    const combined = front.flatMap((point) =>
      options.map((option) => ({
        granularity: [...point.granularity, option.granularity],
        totalMs: point.totalMs + option.totalMs,
        score: point.score + option.score,
      })),
    );
    combined.sort((a, b) => a.totalMs - b.totalMs || b.score - a.score);
    front = [];
    let best = Number.NEGATIVE_INFINITY;
    for (const point of combined) {
      if (point.score <= best) continue;
      best = point.score;
      front.push(point);
    }
  }
  return front.map((point) => ({ ...point, score: blocks > 0 ? point.score / blocks : 0 }));
}
