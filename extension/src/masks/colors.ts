/** Red, green and blue, 0…255. */
export type Rgb = readonly [number, number, number];

/** Over inactive cells; the same in both themes, so that a saved picture does not depend on one. */
export const VEIL: Rgb = [10, 14, 22];
/** Over active cells when they are tinted: a magenta, the hue that photographs hold least of. */
export const TINT: Rgb = [255, 50, 140];

export const css = ([r, g, b]: Rgb, alpha = 1) => `rgba(${r}, ${g}, ${b}, ${alpha})`;

// Samples of viridis: perceptually even, and readable without colour vision.
const RAMP: readonly Rgb[] = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 73, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [110, 206, 88],
  [181, 222, 43],
  [253, 231, 37],
];

/** The heat map's colour for a fraction 0…1 of the blocks. */
export function heatColor(fraction: number): Rgb {
  const at = Math.min(1, Math.max(0, fraction)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at));
  const part = at - low;
  const mix = (channel: 0 | 1 | 2) =>
    Math.round(RAMP[low]![channel] * (1 - part) + RAMP[low + 1]![channel] * part);
  return [mix(0), mix(1), mix(2)];
}
