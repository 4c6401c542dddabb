/** Variance relative to the mean square that values which do not change still have, summed in single precision. */
const leastVariation = 1e-10;

/**
 * The standard deviation of values; 0 when they do not change but for rounding, by which nothing is to be divided.
 * @param meanSquare mean of their squares
 */
export function deviationOf(variance: number, meanSquare: number): number {
  return variance > leastVariation * meanSquare ? Math.sqrt(variance) : 0;
}
