import { costsFor, type NativeCalibration } from '../calibration.js';
import type { CostedProgram, RegionCounts } from './costed-program.js';
import { type Describer, describerFor } from './describer.js';
import type { PassCosts } from './pass-times.js';

const indexOfShare = { compute: 0, data: 1, overhead: 2 } as const;

/** What a description is priced with. */
interface Prices {
  readonly describer: Describer;
  readonly costs: Float64Array;
  /** The part of a Profile's time that each amount counts to. */
  readonly shares: Uint8Array;
}

const shares = new WeakMap<Describer, Uint8Array>();

/**
 * Prices of a calibration for a number of threads.
 * @returns undefined where there is no native addon that could describe programs
 */
export function pricesOf(calibration: NativeCalibration, threads: number): Prices | undefined {
  const describer = describerFor(calibration.isa);
  if (!describer) return undefined;
  let known = shares.get(describer);
  if (!known) {
    known = Uint8Array.from(describer.amounts, ({ share }) => indexOfShare[share]);
    shares.set(describer, known);
  }
  return { describer, costs: costsFor(calibration, threads).costs, shares: known };
}

/** Costs of a program's passes on a calibrated machine: amounts times what a unit of each was found to cost. */
export function calibratedCosts(
  program: CostedProgram,
  counts: RegionCounts,
  { describer, costs, shares }: Prices,
  calibration: NativeCalibration,
  threads: number,
): PassCosts {
  const { rows, passOf } = describer.describe(program, counts, threads, calibration.machine);
  const { values, hasOther, amounts, other } = describer.layout;
  const totals = [0, 0, 0].map(() => new Float64Array(program.order.count)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const priced = (first: number) => {
    let sum = 0;
    for (let i = 0; i < costs.length; i++) sum += rows[first + i]! * costs[i]!;
    return sum;
  };
  for (let at = 0; at < passOf.length; at++) {
    const row = at * values;
    // The backend chooses by counts that are only expected here: the cheaper way is taken, so that a higher rate never
    // costs less.
    const chosen =
      rows[row + hasOther] === 1 && priced(row + other) < priced(row + amounts) ? other : amounts;
    const pass = passOf[at]!;
    for (let i = 0; i < costs.length; i++) {
      totals[shares[i] as 0 | 1 | 2][pass]! += rows[row + chosen + i]! * costs[i]!;
    }
  }
  return { computeMs: totals[0], dataMs: totals[1], overheadMs: totals[2] };
}
