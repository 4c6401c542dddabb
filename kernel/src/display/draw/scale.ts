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
  const first = Math.floor(from / step + 1e-9) * step;
  const last = Math.ceil(to / step - 1e-9) * step;
  const ticks: number[] = [];
  for (let i = 0; first + i * step <= last + step * 1e-6; i++) ticks.push(first + i * step);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const map = (value: number) => start + ((value - first) / (last - first)) * (end - start);
  return Object.assign(map, {
    ticks,
    format: (tick: number) => (Math.abs(tick) >= 1e6 ? tick.toExponential(1) : tick.toFixed(decimals)),
  });
}

/** The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `step`. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= step * (1 - 1e-9)) ?? 10;
  return factor * power;
}
