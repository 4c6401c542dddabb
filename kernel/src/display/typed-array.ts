import type { MimeBundle } from './bundle.js';

type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const SHOWN = 8;

/** Whether a value is a typed array of numbers. */
export function isNumericArray(value: unknown): value is NumericArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function short(value: number | bigint): string {
  return typeof value === 'bigint' ? String(value) : String(Number(value.toPrecision(6)));
}

/** Length, range, mean and deviation of a typed array, and its first and last elements. */
export function numericBundle(array: NumericArray): MimeBundle {
  const kind = array.constructor.name;
  const { length } = array;
  const elements = [...array.subarray(0, SHOWN)].map(short);
  const last =
    length > 2 * SHOWN
      ? [...array.subarray(length - SHOWN)].map(short)
      : [...array.subarray(SHOWN)].map(short);
  const values = length > 2 * SHOWN ? [...elements, '…', ...last] : [...elements, ...last];
  const lines = [`${kind}(${length.toLocaleString('en')}) [ ${values.join(', ')} ]`];
  if (length > 0 && typeof array[0] === 'number')
    lines.push(statistics(array as Exclude<NumericArray, BigInt64Array | BigUint64Array>));
  return { data: { 'text/plain': lines.join('\n') }, metadata: {} };
}

function statistics(array: Exclude<NumericArray, BigInt64Array | BigUint64Array>): string {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let mean = 0;
  let squares = 0;
  let count = 0;
  for (const value of array) {
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    // Welford: the sum of squares would lose the digits of a small spread around a large mean.
    const difference = value - mean;
    mean += difference / ++count;
    squares += difference * (value - mean);
  }
  const odd = array.length - count;
  const rest = odd > 0 ? `, ${odd.toLocaleString('en')} not finite` : '';
  if (count === 0) return `no finite values${rest}`;
  return `min ${short(min)}, max ${short(max)}, mean ${short(mean)}, deviation ${short(Math.sqrt(squares / count))}${rest}`;
}
