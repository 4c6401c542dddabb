import { formatPercent, saysOrigin } from '@fovea/kernel/presentation';
import type { Origin } from './documents/types';

/** A time with three significant digits and no exponent: `12.0 ms`, `0.0831 ms`, and from a second on `1.24 s`. */
export function milliseconds(ms: number): string {
  return ms >= 999.5 ? `${figure(ms / 1000)} s` : `${figure(ms)} ms`;
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
  return `prediction ${formatPercent(Math.abs(ratio - 1))} ${ratio > 1 ? 'above' : 'below'}`;
}

/** `lasnet · measured`, with the origin once. */
export function withOrigin(label: string, origin: Origin): string {
  return saysOrigin(label, origin) ? label : `${label} · ${origin}`;
}

/** Three significant digits, with separators for thousands. */
export function significant(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** Three significant digits, zeros too, so that figures beside or below each other can be compared: `1.40`. */
export function figure(value: number): string {
  const rounded = Number(value.toPrecision(3));
  if (rounded === 0 || Math.abs(rounded) >= 100) return significant(value);
  return rounded.toFixed(2 - Math.floor(Math.log10(Math.abs(rounded))));
}

/** A number of a table's column: times as `figure`, everything else without the zeros at the end. */
export function columnFigure(value: number, column: string): string {
  return /(?:\bms|Ms)$/.test(column) ? figure(value) : significant(value);
}
