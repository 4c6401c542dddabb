/** Predicted times of a program's passes, by their positions. The three parts of a pass add up to its time. */
export interface PassCosts {
  readonly computeMs: Float64Array;
  /** Data movement that computation does not hide. */
  readonly dataMs: Float64Array;
  readonly overheadMs: Float64Array;
}

/** The three parts of some time. */
export interface SplitTime {
  readonly computeMs: number;
  readonly dataMs: number;
  readonly overheadMs: number;
}

/** The time of passes `first` … `last` − 1. */
export function timeOfPasses(costs: PassCosts, first: number, last: number): SplitTime {
  let [computeMs, dataMs, overheadMs] = [0, 0, 0];
  for (let pass = first; pass < last; pass++) {
    computeMs += costs.computeMs[pass]!;
    dataMs += costs.dataMs[pass]!;
    overheadMs += costs.overheadMs[pass]!;
  }
  return { computeMs, dataMs, overheadMs };
}

/** The whole of it. */
export const totalOf = ({ computeMs, dataMs, overheadMs }: SplitTime): number =>
  computeMs + dataMs + overheadMs;
