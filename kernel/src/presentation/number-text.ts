/**
 * Significant digits of numbers that are no integers: more than anything that is measured has, and fewer than the 15
 * that a double surely keeps.
 */
const DIGITS = 12;

/** A number in full, without the traces of binary fractions: 0.1 + 0.2 is `0.3`. */
export function numberText(value: number): string {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS)));
}
