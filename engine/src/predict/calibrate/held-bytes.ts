import { setImmediate } from 'node:timers/promises';
import { FoveaError } from '../../errors.js';
import type { Caches } from '../program-cost/describer.js';
import { memoryMapBytes } from './peaks.js';

/** Values of eight bytes in a cache line. */
const valuesOfLine = 8;

/** Readings of a size: the first fetches it. All sizes are read in turn, several times, as others disturb for a while. */
const readings = 3;
const turns = 4;

/**
 * How many times as large as a cache something is that is half there when it is used again: s = exp(-(1 - s) size), which
 * `kept_share` of the native core solves, for s = 1/2.
 */
const sizeHalfKept = 2 * Math.LN2;

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
 * given only a part of it. Found by reading ever larger pieces of memory.
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
  const rates = new Map<number, number>();
  for (let turn = 0; turn < turns; turn++) {
    for (let bytes = smallest; bytes <= largest; bytes *= Math.SQRT2) {
      // A kernel or a panel that calibrates answers in between.
      await setImmediate();
      if (signal?.aborted) throw new FoveaError('aborted', 'the calibration was aborted');
      rates.set(bytes, Math.max(rates.get(bytes) ?? 0, rateOf(memory, Math.floor(bytes / 8))));
    }
  }
  const capacity = capacityOf([...rates].map(([bytes, rate]) => ({ bytes, rate })));
  return Math.min(farBytes, capacity ?? farBytes);
}

/**
 * Capacity of the cache between the highest rate, its own, and the last, memory's: at what takes the mean of both times
 * to read, half is still there.
 *
 * @param rates by ascending size
 * @returns bytes; undefined where the last is hardly slower than the others
 */
export function capacityOf(rates: readonly ReadRate[]): number | undefined {
  const times = rates.map(({ bytes, rate }) => ({ bytes, time: 1 / rate }));
  const last = times.at(-1);
  const shortest = Math.min(...times.map(({ time }) => time));
  if (!last || last.time < leastDrop * shortest) return undefined;
  const limit = (shortest + last.time) / 2;
  // The last size that takes less: what disturbs a reading makes smaller ones slow, too.
  const beyond = times.findLastIndex(({ time }) => time <= limit) + 1;
  const [below, above] = [times[beyond - 1]!, times[beyond]!];
  const part = (limit - below.time) / (above.time - below.time);
  return (below.bytes * (above.bytes / below.bytes) ** part) / sizeHalfKept;
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
