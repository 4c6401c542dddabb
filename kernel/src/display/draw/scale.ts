/** A linear map from a data interval to pixels. */
export interface Scale {
  (value: number): number;
  readonly ticks: readonly number[];
  /** A tick's label, with as many decimals as the step between ticks needs. */
  format(tick: number): string;
}

/**
 * A scale over `[low, high]` widened to whole ticks, so that the outermost grid lines carry labels.
 * An empty or non-finite interval becomes `[0, 1]`.
 */
export function linearScale(
  [low, high]: readonly [number, number],
  [start, end]: readonly [number, number],
  count = 5,
): Scale {
  const usable = Number.isFinite(low) && Number.isFinite(high) && high > low;
  const [from, to] = usable ? [low, high] : [0, 1];
  const step = niceStep((to - from) / Math.max(1, count));
  const firstStep = Math.floor(from / step + 1e-9);
  const lastStep = Math.ceil(to / step - 1e-9);
  const [first, last] = [firstStep * step, lastStep * step];
  // Multiples, not sums: those come close to nothing from below, and that tick said -0.0.
  const ticks = Array.from({ length: lastStep - firstStep + 1 }, (_, i) => (firstStep + i) * step);
  const map = (value: number) => start + ((value - first) / (last - first)) * (end - start);
  return Object.assign(map, { ticks, format: (tick: number) => tickText(tick, step) });
}

/** A tick with as many digits as tell it from the next, written with a power of ten where that is shorter. */
function tickText(tick: number, step: number): string {
  const power = Math.floor(Math.log10(step) + 1e-9);
  // Of the steps only 2.5 has a digit after its first.
  const lastDigit = Number.isInteger(Number((step / 10 ** power).toFixed(6))) ? power : power - 1;
  const fixed = tick.toFixed(Math.min(100, Math.max(0, -lastDigit)));
  if (tick === 0 || fixed.length <= 7) return fixed;
  const digits = Math.floor(Math.log10(Math.abs(tick)) + 1e-9) - lastDigit;
  const exponential = tick.toExponential(Math.min(100, Math.max(0, digits)));
  return exponential.length < fixed.length ? exponential : fixed;
}

/** The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `step`. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= step * (1 - 1e-9)) ?? 10;
  return factor * power;
}
