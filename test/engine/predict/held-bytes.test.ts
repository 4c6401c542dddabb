import { describe, expect, it } from 'vitest';
import { readCaches } from '../../../engine/src/predict/calibrate/caches.js';
import { endOfCache, measureFarBytes } from '../../../engine/src/predict/calibrate/held-bytes.js';

const megabyte = 2 ** 20;

describe('what the last-level cache holds', () => {
  it('ends where reading is no faster than between its own rate and that of memory', () => {
    const rates = [
      [8, 26],
      [16, 26],
      [32, 25],
      [64, 20],
      [128, 11],
      [256, 10],
    ].map(([bytes, rate]) => ({ bytes: bytes! * megabyte, rate: 1e9 * rate! }));
    const end = endOfCache(rates)! / megabyte;
    // Between 64 and 128 MB reading becomes slower than 16.1 GB/s; between two sizes both go by logarithms.
    expect(end).toBeCloseTo(64 * 2 ** (Math.log(20 / Math.sqrt(260)) / Math.log(20 / 11)), 6);
    expect(end).toBeGreaterThan(64);
    expect(end).toBeLessThan(128);
  });

  it('ends behind the last fast reading, whatever disturbed smaller ones, and where memory is only a quarter slower', () => {
    const rates = [26, 14, 26, 25, 20, 20].map((rate, i) => ({
      bytes: 8 * 2 ** i * megabyte,
      rate: 1e9 * rate,
    }));
    const end = endOfCache(rates)! / megabyte;
    expect(end).toBeGreaterThan(64);
    expect(end).toBeLessThan(128);
  });

  it('is not known where memory is about as fast, or nothing was read', () => {
    expect(endOfCache([])).toBeUndefined();
    expect(endOfCache([8, 16].map((bytes) => ({ bytes, rate: 12e9 })))).toBeUndefined();
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
