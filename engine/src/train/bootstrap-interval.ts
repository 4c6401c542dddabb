import { Random } from '../random.js';

/** A mean with the interval that contains 95 % of resampled means. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The mean of values with its bootstrap interval (Efron, 1979), groups drawn as a whole: crops of one photograph do not
 * count as independent.
 * @param groups one number per value; by default every value is a separate group
 * @param resamples how often groups are drawn
 */
export function bootstrap(
  values: readonly number[],
  groups: ArrayLike<number> = values.map((_, i) => i),
  resamples = 2000,
): Interval {
  const sums = new Map<number, { sum: number; count: number }>();
  values.forEach((value, i) => {
    const group = sums.get(groups[i]!) ?? { sum: 0, count: 0 };
    sums.set(groups[i]!, { sum: group.sum + value, count: group.count + 1 });
  });
  const parts = [...sums.values()];
  const random = new Random(1);
  const means = Array.from({ length: resamples }, () => {
    let [sum, count] = [0, 0];
    for (let i = 0; i < parts.length; i++) {
      const part = parts[random.below(parts.length)]!;
      sum += part.sum;
      count += part.count;
    }
    return sum / count;
  }).sort((a, b) => a - b);
  const at = (share: number) => means[Math.min(resamples - 1, Math.floor(share * resamples))]!;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, low: at(0.025), high: at(0.975) };
}
