import { boundOf, type Candidate } from './candidate.js';

/** Advice for one block: what to do, from which rate on, and why. */
export interface Advice {
  readonly adaptive: boolean;
  /** Highest activation rate at which adaptive execution pays, 0…1. */
  readonly breakEvenRate: number;
  /** What takes most of the chosen plan's time. */
  readonly bound: 'compute' | 'memory' | 'overhead';
  /** The same as a sentence. */
  readonly sentence: string;
}

const reasons = {
  compute: 'arithmetic',
  memory: 'data movement',
  overhead: 'overhead (starting passes, deciding, building indices)',
} as const;

const ms = (value: number) => `${value.toPrecision(3)} ms`;

/**
 * Says whether a block should run adaptively.
 * @param best the fastest of all candidates, dense included
 * @param adaptive the fastest adaptive one; undefined for a block that cannot be adaptive
 */
export function advise(
  name: string,
  best: Candidate,
  dense: Candidate,
  adaptive: Candidate | undefined,
  breakEvenRate: number,
): Advice {
  const bound = boundOf(best);
  if (!adaptive) {
    return {
      adaptive: false,
      breakEvenRate: 0,
      bound,
      sentence: `${name}: dense, as it has no shortcut to fall back on; ${ms(dense.totalMs)}, bound by ${reasons[bound]}.`,
    };
  }
  const S = `S = ${adaptive.granularity}, ${adaptive.strategy}`;
  const rate = adaptive.rate.toFixed(2);
  const pays =
    breakEvenRate >= 1
      ? 'pays at every rate'
      : breakEvenRate <= 0
        ? 'pays at no rate'
        : `pays below rate ${breakEvenRate.toFixed(2)}`;
  if (best.mode === 'adaptive') {
    const factor = (dense.totalMs / best.totalMs).toFixed(2);
    return {
      adaptive: true,
      breakEvenRate,
      bound,
      sentence: `${name}: adaptive (${S}) at rate ${rate}: ${ms(best.totalMs)} against ${ms(dense.totalMs)} dense, ${factor}x; it ${pays} and is bound by ${reasons[bound]}.`,
    };
  }
  const slower = (adaptive.totalMs / dense.totalMs).toFixed(2);
  return {
    adaptive: false,
    breakEvenRate,
    bound,
    sentence: `${name}: dense: at rate ${rate} the best adaptive plan (${S}) takes ${slower}x as long (${ms(adaptive.totalMs)} against ${ms(dense.totalMs)}), most of it ${reasons[boundOf(adaptive)]}; it ${pays}.`,
  };
}
