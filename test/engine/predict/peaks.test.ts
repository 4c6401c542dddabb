import { describe, expect, it } from 'vitest';
import { memoryMapBytes } from '../../../engine/src/predict/calibrate/peaks.js';

const MB = 2 ** 20;

describe('the map that memory bandwidth is measured with', () => {
  it('is twice the last-level cache', () => {
    expect(memoryMapBytes(32 * MB, 16_000 * MB)).toBe(64 * MB);
  });

  it('is no larger on processors with a huge cache: four of them must fit the memory', () => {
    expect(memoryMapBytes(260 * MB, 16_000 * MB)).toBe(256 * MB);
    expect(memoryMapBytes(1152 * MB, 16_000 * MB)).toBe(256 * MB);
  });

  it('leaves most of a small container’s memory to others', () => {
    expect(memoryMapBytes(260 * MB, 1024 * MB)).toBe(64 * MB);
  });
});
