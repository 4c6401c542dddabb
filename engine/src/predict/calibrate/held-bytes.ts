import { setImmediate } from 'node:timers/promises';
import { FoveaError } from '../../errors.js';
import type { Caches } from '../program-cost/describer.js';
import { memoryMapBytes } from './peaks.js';

/** Values of eight bytes in a cache line. */
const valuesOfLine = 8;

/** Readings of a size: the first fetches it. */
const readings = 4;

/**
 * How many times faster a cache must be than memory for the place where it ends to be seen. One core reads memory that
 * nobody else uses about 0.75 times as fast as a large cache.
 */
const leastDrop = 1.15;

/** A size that was read again and again, bytes, and at how many bytes/s. */
export interface ReadRate {
  readonly bytes: number;
  readonly rate: number;
}

/**
 * Bytes that the last-level cache really holds for this process: virtual machines share one with others, and may be
 * given only a part of it. Found by reading ever larger pieces of memory: a cache ends behind the last one that is read
 * faster than at the geometric mean of its own rate and that of memory.
 *
 * @param caches sizes that the operating system lists
 * @returns at most `caches.farBytes`
 * @throws FoveaError `aborted`, between two sizes
 */
export async function measureFarBytes(
  { nearBytes, farBytes }: Caches,
  signal?: AbortSignal,
): Promise<number> {
  const smallest = 4 * nearBytes;
  const largest = memoryMapBytes(farBytes);
  if (smallest >= farBytes || largest < 2 * smallest) return farBytes;
  const memory = new Float64Array(Math.floor(largest / 8)).fill(1);
  const rates: ReadRate[] = [];
  for (let bytes = smallest; bytes <= largest; bytes *= Math.SQRT2) {
    // A kernel or a panel that calibrates answers in between.
    await setImmediate();
    if (signal?.aborted) throw new FoveaError('aborted', 'the calibration was aborted');
    rates.push({ bytes, rate: rateOf(memory, Math.floor(bytes / 8)) });
  }
  return Math.min(farBytes, endOfCache(rates) ?? farBytes);
}

/**
 * Where reading becomes slower for good than at the geometric mean of the highest rate, a cache's, and the last, memory's.
 *
 * @param rates by ascending size
 * @returns undefined where the last is hardly slower than the others
 */
export function endOfCache(rates: readonly ReadRate[]): number | undefined {
  const last = rates.at(-1);
  const highest = Math.max(...rates.map(({ rate }) => rate));
  if (!last || highest < leastDrop * last.rate) return undefined;
  const limit = Math.sqrt(highest * last.rate);
  // The last size that is read faster: what disturbs a reading makes smaller ones slow, too.
  const beyond = rates.findLastIndex(({ rate }) => rate >= limit) + 1;
  const [below, above] = [rates[beyond - 1]!, rates[beyond]!];
  const part = Math.log(below.rate / limit) / Math.log(below.rate / above.rate);
  return below.bytes * (above.bytes / below.bytes) ** part;
}

/** Bytes/s at which the first `values` of some memory are read, at best. */
function rateOf(memory: Float64Array, values: number): number {
  let shortestMs = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < readings; reading++) {
    const start = performance.now();
    // Used, so that reading is not left out.
    if (sumOfLines(memory, values) < 0) throw new RangeError('a sum of ones below 0');
    if (reading > 0) shortestMs = Math.min(shortestMs, performance.now() - start);
  }
  return (8 * values) / (Math.max(shortestMs, 1e-6) / 1e3);
}

/** One value of each line, in four sums that do not wait for each other. */
function sumOfLines(memory: Float64Array, values: number): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const step = 4 * valuesOfLine;
  for (let i = 0; i + step <= values; i += step) {
    a += memory[i]!;
    b += memory[i + valuesOfLine]!;
    c += memory[i + 2 * valuesOfLine]!;
    d += memory[i + 3 * valuesOfLine]!;
  }
  return a + b + c + d;
}
