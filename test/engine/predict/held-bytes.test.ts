import { describe, expect, it } from 'vitest';
import { readCaches } from '../../../engine/src/predict/calibrate/caches.js';
import { capacityOf, measureFarBytes } from '../../../engine/src/predict/calibrate/held-bytes.js';

const megabyte = 2 ** 20;

describe('what the last-level cache holds', () => {
  /** Rates of reading sizes again and again where so much of a cache is there that replaces lines at random. */
  function ratesOf(sizes: readonly number[], capacity: number, cacheRate: number, memoryRate: number) {
    return sizes.map((bytes) => {
      let kept = bytes > capacity ? 0 : 1;
      for (let i = 0; i < 1000 && kept < 1; i++) kept = Math.exp(((kept - 1) * bytes) / capacity);
      return { bytes, rate: 1 / (kept / cacheRate + (1 - kept) / memoryRate) };
    });
  }

  const sizes = Array.from({ length: 13 }, (_, i) => 8 * megabyte * Math.SQRT2 ** i);

  it('is found from what is half there', () => {
    for (const [capacity, memoryRate] of [
      [77, 8.3e9],
      [30, 18e9],
      [140, 12e9],
    ] as const) {
      const found = capacityOf(ratesOf(sizes, capacity * megabyte, 24e9, memoryRate))! / megabyte;
      expect(found).toBeGreaterThan(0.93 * capacity);
      expect(found).toBeLessThan(1.07 * capacity);
    }
  });

  it('does not follow a reading that was disturbed', () => {
    const rates = ratesOf(sizes, 77 * megabyte, 24e9, 8.3e9);
    const disturbed = rates.map((rate, i) => (i === 2 ? { ...rate, rate: 9e9 } : rate));
    expect(capacityOf(disturbed)).toBe(capacityOf(rates));
  });

  it('is not known where memory is about as fast, or nothing was read', () => {
    expect(capacityOf([])).toBeUndefined();
    expect(capacityOf([8, 16].map((bytes) => ({ bytes, rate: 12e9 })))).toBeUndefined();
  });

  it('is at most what the system lists, and more than the second-level cache', async () => {
    const { nearBytes, farBytes } = readCaches();
    const held = await measureFarBytes({ nearBytes, farBytes });
    expect(held).toBeLessThanOrEqual(farBytes);
    expect(held).toBeGreaterThanOrEqual(nearBytes);
    // Without a last level beyond the second there is nothing to measure.
    expect(await measureFarBytes({ nearBytes: megabyte, farBytes: megabyte })).toBe(megabyte);
  });

  it('is not measured to the end when that is aborted', async () => {
    const caches = { nearBytes: megabyte / 4, farBytes: 16 * megabyte };
    await expect(measureFarBytes(caches, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
  });
});
