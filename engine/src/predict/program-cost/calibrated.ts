import { costsFor, type NativeCalibration } from '../calibration.js';
import type { Setting } from '../options.js';
import type { CostedProgram, RegionCounts } from './costed-program.js';
import { type Describer, describerFor } from './describer.js';
import type { PassCosts } from './pass-times.js';

const partsOfTime = ['compute', 'data', 'overhead'] as const;

/** What a description is priced with. */
interface Prices {
  readonly describer: Describer;
  readonly costs: Float64Array;
  /** The amounts that count to each part of a Profile's time. */
  readonly amountsOf: readonly Int32Array[];
}

const amountsByPart = new WeakMap<Describer, readonly Int32Array[]>();

/**
 * Prices of a calibration for a number of threads.
 * @returns undefined where there is no native addon that could describe programs
 */
export function pricesOf(calibration: NativeCalibration, threads: number): Prices | undefined {
  const describer = describerFor(calibration.isa);
  if (!describer) return undefined;
  let amountsOf = amountsByPart.get(describer);
  if (!amountsOf) {
    amountsOf = partsOfTime.map((part) =>
      Int32Array.from(describer.amounts.flatMap(({ share }, i) => (share === part ? [i] : []))),
    );
    amountsByPart.set(describer, amountsOf);
  }
  return { describer, costs: costsFor(calibration, threads).costs, amountsOf };
}

/** Costs of a program's passes on a calibrated machine: amounts times what a unit of each was found to cost. */
export function calibratedCosts(
  program: CostedProgram,
  counts: RegionCounts,
  { describer, costs, amountsOf }: Prices,
  calibration: NativeCalibration,
  { threads, weightBytes }: Setting,
): PassCosts {
  const { rows, passOf } = describer.describe(program, counts, threads, calibration.machine, weightBytes);
  const { values, hasOther, amounts, other } = describer.layout;
  const totals = partsOfTime.map(() => new Float64Array(program.order.count));
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
      rows[row + hasOther] === 1 && priced(row + other) < priced(row + amounts) ? row + other : row + amounts;
    const pass = passOf[at]!;
    for (let part = 0; part < totals.length; part++) {
      const total = totals[part]!;
      const counted = amountsOf[part]!;
      let sum = total[pass]!;
      for (let k = 0; k < counted.length; k++) {
        const i = counted[k]!;
        sum += rows[chosen + i]! * costs[i]!;
      }
      total[pass] = sum;
    }
  }
  const [computeMs, dataMs, overheadMs] = totals as [Float64Array, Float64Array, Float64Array];
  return { computeMs, dataMs, overheadMs };
}
