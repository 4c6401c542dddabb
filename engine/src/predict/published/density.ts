/**
 * Channel skipping leaves some tiles with more active channels than others; the slowest tile decides. The
 * published simulator estimates the expected maximum by drawing from an unseeded generator; here the
 * generator is seeded per question, so that an answer depends on the question alone.
 */

import { LRUCache } from 'lru-cache';

const draws = 100;
/** Questions whose answers are kept: rates are any numbers, so that there is no end of them. */
const KEPT_ANSWERS = 4096;

const known = new LRUCache<string, number>({ max: KEPT_ANSWERS });

/**
 * A generator of uniform numbers in [0, 1): the "mulberry32" recurrence. A search draws millions of them,
 * for which the 64-bit arithmetic of `Random` is too slow.
 */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Expected maximum, over `tileCount` tiles of `tileChannels` channels, of the fraction of active channels,
 * when units of `unit` contiguous channels are active with probability `density`.
 * @returns a fraction from `density` to 1
 */
export function maximumDensity(
  tileCount: number,
  tileChannels: number,
  density: number,
  unit: number,
): number {
  if (density === 1) return 1;
  const key = `${tileCount},${tileChannels},${density},${unit}`;
  let answer = known.get(key);
  if (answer === undefined) {
    answer = draw(tileCount, tileChannels, density, unit);
    known.set(key, answer);
  }
  return answer;
}

function draw(tileCount: number, tileChannels: number, density: number, unit: number): number {
  const next = uniform(tileCount * 2654435761 + tileChannels * 40503 + Math.round(density * 1e6) + unit);
  const units = Math.ceil((tileCount * tileChannels) / unit);
  const active = new Uint32Array(tileCount);
  let total = 0;
  for (let i = 0; i < draws; i++) {
    active.fill(0);
    for (let u = 0; u < units; u++) {
      if (next() >= density) continue;
      const end = Math.min((u + 1) * unit, tileCount * tileChannels);
      for (let c = u * unit; c < end; c++) active[Math.floor(c / tileChannels)]!++;
    }
    let maximum = 0;
    for (const count of active) if (count > maximum) maximum = count;
    total += maximum;
  }
  return Math.max(total / draws / tileChannels, density);
}
