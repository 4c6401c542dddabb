import { describe, expect, it } from 'vitest';
import type { NativeAmount } from '../../../engine/src/backends/native/addon.js';
import type { Sample } from '../../../engine/src/predict/calibrate/least-squares.js';
import { fitByLevel } from '../../../engine/src/predict/calibrate/level-costs.js';
import { Random } from '../../../engine/src/random.js';

const amounts: readonly NativeAmount[] = [
  { name: 'multiplyAdds', share: 'compute' },
  ...(['near', 'far', 'memory'] as const).map(
    (place): NativeAmount => ({ name: `read ${place}`, share: 'data', place, unit: 'bytes' }),
  ),
  { name: 'passes', share: 'overhead' },
];

/** Samples of the given costs; `near` is the largest share of bytes that caches hold. */
function samplesOf(costs: readonly number[], near: number, noise = 0): Sample[] {
  const random = new Random(4, 0);
  return Array.from({ length: 200 }, () => {
    const bytes = 1 + 9 * random.next();
    const held = near * random.next();
    const far = (1 - held) * random.next();
    const values = Float64Array.of(
      20 * random.next(),
      bytes * held,
      bytes * far,
      bytes * (1 - held - far),
      1,
    );
    const time = values.reduce((sum, value, i) => sum + value * costs[i]!, 0);
    return { amounts: values, time: time * (1 + noise * (random.next() - 0.5)), weight: 1 / time ** 2 };
  });
}

describe('costs by level', () => {
  it('finds costs that rise from level to level', () => {
    const costs = [1, 0.5, 2, 3, 0.25];
    const found = fitByLevel(samplesOf(costs, 1), amounts);
    for (const [i, cost] of found.entries()) expect(cost).toBeCloseTo(costs[i]!, 4);
  });

  it('gives equal costs where levels cost the same', () => {
    const found = fitByLevel(samplesOf([1, 2, 2, 2, 0.25], 1), amounts);
    for (const level of [1, 2, 3]) expect(found[level]).toBeCloseTo(2, 4);
  });

  it('never makes a nearer level dearer, however little the samples have of it', () => {
    for (const near of [0.3, 0.01, 1e-4, 0]) {
      const found = fitByLevel(samplesOf([1, 1, 2, 2.1, 0.25], near, 0.3), amounts);
      const [, read, far, memory] = found as unknown as [number, number, number, number];
      expect(read).toBeLessThanOrEqual(far);
      expect(far).toBeLessThanOrEqual(memory);
      expect(memory).toBeGreaterThan(1.5);
      expect(memory).toBeLessThan(3);
    }
  });

  it('leaves other amounts alone: what follows a memory amount is not added to it', () => {
    const found = fitByLevel(samplesOf([1, 0.5, 2, 3, 40], 1), amounts);
    expect(found[4]).toBeCloseTo(40, 3);
  });
});
