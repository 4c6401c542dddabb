/** One measurement: amounts of each feature, the time, and how much it counts. */
export interface Sample {
  readonly amounts: Float64Array;
  readonly time: number;
  readonly weight: number;
}

const sweeps = 4000;
const settled = 1e-10;

/**
 * Non-negative least squares: costs c ≥ 0 that make Σ weight · (Σ amounts · c − time)² least, by coordinate
 * descent on the normal equations (Franc, Hlaváč, Navara 2005). Columns are scaled to unit length first.
 * @returns one cost a feature; 0 for a feature that no sample has
 */
export function nonNegativeLeastSquares(samples: readonly Sample[], features: number): Float64Array {
  const gram = new Float64Array(features * features);
  const target = new Float64Array(features);
  for (const { amounts, time, weight } of samples) {
    for (let i = 0; i < features; i++) {
      const a = amounts[i]! * weight;
      if (a === 0) continue;
      target[i]! += a * time;
      for (let j = 0; j < features; j++) gram[i * features + j]! += a * amounts[j]!;
    }
  }
  const scale = Float64Array.from({ length: features }, (_, i) => {
    const norm = Math.sqrt(gram[i * features + i]!);
    return norm > 0 ? 1 / norm : 0;
  });
  for (let i = 0; i < features; i++) {
    target[i]! *= scale[i]!;
    for (let j = 0; j < features; j++) gram[i * features + j]! *= scale[i]! * scale[j]!;
  }
  const costs = new Float64Array(features);
  const gradient = target.map((value) => -value);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let moved = 0;
    for (let i = 0; i < features; i++) {
      if (scale[i] === 0) continue;
      const next = Math.max(0, costs[i]! - gradient[i]!);
      const step = next - costs[i]!;
      if (step === 0) continue;
      costs[i] = next;
      moved = Math.max(moved, Math.abs(step));
      for (let j = 0; j < features; j++) gradient[j]! += step * gram[i * features + j]!;
    }
    if (moved < settled * Math.max(...costs)) break;
  }
  return costs.map((cost, i) => cost * scale[i]!);
}

/** How disturbed measurements are damped. */
export interface FitOptions {
  /** Relative error that is not held against a sample; 0.05 when left out. */
  readonly tolerance?: number;
  /** Rounds of reweighting; 8 when left out. */
  readonly rounds?: number;
}

/**
 * The same with disturbed measurements damped, by reweighting: a sample whose relative error is larger than
 * `tolerance` counts with its error, not with the error's square (Huber's loss). The fit thus follows medians, as
 * what is compared with it does.
 */
export function robustFit(
  samples: readonly Sample[],
  features: number,
  { tolerance = 0.05, rounds = 8 }: FitOptions = {},
): Float64Array {
  let costs = nonNegativeLeastSquares(samples, features);
  for (let round = 0; round < rounds; round++) {
    const damped = samples.map((sample) => {
      const predicted = evaluate(sample.amounts, costs);
      // Relative to what lies between measurement and prediction: relative to the measurement alone, samples that
      // took too long would count less than those that took too little.
      const ratio = Math.min(4, Math.max(0.25, predicted / sample.time));
      const weight = sample.weight / ratio;
      const excess = Math.abs(sample.time - predicted) * Math.sqrt(weight);
      return { ...sample, weight: excess <= tolerance ? weight : (weight * tolerance) / excess };
    });
    costs = nonNegativeLeastSquares(damped, features);
  }
  return costs;
}

/** Sum of amounts times costs. */
export function evaluate(amounts: Float64Array, costs: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < amounts.length; i++) sum += amounts[i]! * costs[i]!;
  return sum;
}
