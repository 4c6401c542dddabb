import type { MaskOptimisation, Optimisation } from './recipe.js';

/** Learning rate at `step` of `steps`: a straight warm-up, then a cosine to zero. */
export function learningRate({ rate, warmUp = 0 }: Optimisation, step: number, steps: number): number {
  if (step < warmUp) return (rate * (step + 1)) / warmUp;
  const progress = (step - warmUp) / Math.max(1, steps - warmUp);
  return 0.5 * rate * (1 + Math.cos(Math.PI * Math.min(1, progress)));
}

/** Gumbel temperature, falling exponentially: `start · (end / start)^(step / steps)`. */
export function gumbelTemperature(
  { temperature: [start, end] = [5, 0.1] }: MaskOptimisation,
  progress: number,
): number {
  return start * (end / start) ** progress;
}

/**
 * Share of the Gumbel noise: a straight line over the first three quarters, then what it ends at. With all of the
 * noise a block whose every margin is slightly negative is computed at a few cells by chance, which satisfies its
 * lower bound in training, and never runs afterwards; with none at the end, what is bounded is what will run.
 */
export function gumbelNoise({ noise: [start, end] = [1, 1] }: MaskOptimisation, progress: number): number {
  return start + (end - start) * Math.min(1, Math.max(0, progress / 0.75));
}

/**
 * Bounds on the share of each block's branch that is computed: both are the target at first, and loosen over the first third, so
 * that no block dies or saturates early (LASNet's schedule, which ends at 0 and 1).
 * @param progress 0…1 of the phase
 */
export function flopsBounds(
  { target, bounds: [lowest, highest] = [0, 1] }: MaskOptimisation,
  progress: number,
): { readonly upper: number; readonly lower: number } {
  const c = Math.cos((Math.min(1, Math.max(0, progress / 0.33)) * Math.PI) / 2) ** 2;
  return { upper: highest - c * (highest - target), lower: lowest + c * (target - lowest) };
}
