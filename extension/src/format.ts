/** `38%`; one decimal below a tenth, so that small rates stay apart. */
export function percent(fraction: number): string {
  const value = fraction * 100;
  return `${value > 0 && value < 10 ? Number(value.toFixed(1)) : Math.round(value)}%`;
}

/** Milliseconds with three significant digits and no exponent: `12.4 ms`, `0.083 ms`, `1,240 ms`. */
export function milliseconds(ms: number): string {
  return `${significant(ms)} ms`;
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
