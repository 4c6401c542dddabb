import type { NativeAmount } from '../../backends/native/addon.js';
import { type FitOptions, robustFit, type Sample } from './least-squares.js';

/**
 * The robust fit of what units of amounts cost, where a level further away never costs less than a nearer one. Of what
 * caches nearly always hold, or hardly ever do, samples have so little that chance alone would decide its cost, and a
 * network of another size has a thousand times as much of it.
 *
 * @returns one cost an amount; 0 for an amount that no sample has, unless a nearer level costs something
 */
export function fitByLevel(
  samples: readonly Sample[],
  amounts: readonly NativeAmount[],
  options?: FitOptions,
): Float64Array {
  // Costs of the steps from one level to the next, which are not negative: all bytes take the first, those from further
  // away the others as well.
  const steps = samples.map((sample) => {
    const values = Float64Array.from(sample.amounts);
    for (let i = amounts.length - 1; i >= 0; i--) if (isFurther(amounts[i]!)) values[i - 1]! += values[i]!;
    return { ...sample, amounts: values };
  });
  const costs = robustFit(steps, amounts.length, options);
  for (let i = 0; i < costs.length; i++) if (isFurther(amounts[i]!)) costs[i]! += costs[i - 1]!;
  return costs;
}

/** Whether an amount is that of the level behind the one of the amount before it. */
const isFurther = ({ place }: NativeAmount): boolean => place === 'far' || place === 'memory';
