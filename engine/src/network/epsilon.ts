/** Whether a value can be added to a variance: above 0 and finite, also in single precision. */
export function isEpsilon(value: unknown): value is number {
  return typeof value === 'number' && Math.fround(value) > 0 && Number.isFinite(Math.fround(value));
}
