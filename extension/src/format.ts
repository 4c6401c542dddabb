/** `38%`; one decimal below a tenth, so that small rates stay apart. */
export function percent(fraction: number): string {
  const value = fraction * 100;
  return `${value > 0 && value < 10 ? Number(value.toFixed(1)) : Math.round(value)}%`;
}

/** A time with three significant digits and no exponent: `12.4 ms`, `0.083 ms`, and from a second on `1.24 s`. */
export function milliseconds(ms: number): string {
  return ms >= 1000 ? `${significant(ms / 1000)} s` : `${significant(ms)} ms`;
}

/**
 * How a prediction compares with a measurement: in percent of the measurement while they are within a factor of
 * two of each other, and as that factor beyond.
 */
export function agreement(predictedMs: number, measuredMs: number): string {
  if (!(predictedMs > 0) || !(measuredMs > 0)) return '';
  const ratio = predictedMs / measuredMs;
  if (Math.abs(ratio - 1) < 0.005) return 'prediction exact to the percent';
  if (ratio < 0.5) return `measured ${significant(1 / ratio)}× the prediction`;
  if (ratio > 2) return `prediction ${significant(ratio)}× the measurement`;
  return `prediction ${percent(Math.abs(ratio - 1))} ${ratio > 1 ? 'above' : 'below'}`;
}

/** Whether a label already contains the origin of its figure, to avoid "predicted · predicted". */
export function saysOrigin(label: string, origin: string): boolean {
  return label.toLowerCase().includes(origin);
}

/** `lasnet · measured`, with the origin once. */
export function withOrigin(label: string, origin: string): string {
  return saysOrigin(label, origin) ? label : `${label} · ${origin}`;
}

/** Three significant digits, with separators for thousands. */
export function significant(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** `1 block`, `3 blocks`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
