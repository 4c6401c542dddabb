/** `1.23 ms`, `12.3 ms`, `1234 ms`: a time as `formatFigure` writes it. */
export function formatMs(ms: number): string {
  return `${formatFigure(ms)} ms`;
}

/**
 * `5.00`, `0.0123`, `1234`: three significant digits, so that figures of a column can be compared, and no exponent from
 * 0.0001 to a million.
 */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  if (magnitude >= 6 || magnitude < -4) return value.toExponential(2);
  return value.toFixed(Math.min(6, Math.max(0, 2 - magnitude)));
}

/** `4.11 G`, `812 M`: a count with a decimal prefix. */
export function formatCount(count: number): string {
  const prefixes = ['', ' k', ' M', ' G', ' T', ' P'];
  let value = count;
  let index = 0;
  while (Math.abs(value) >= 999.5 && index < prefixes.length - 1) {
    value /= 1000;
    index++;
  }
  return `${index === 0 ? String(value) : formatFigure(value)}${prefixes[index]}`;
}

/** `25.5 MB`, in powers of ten. */
export function formatBytes(bytes: number): string {
  const counted = formatCount(bytes);
  return counted.includes(' ') ? `${counted}B` : `${counted} B`;
}
