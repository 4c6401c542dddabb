import { getDevice } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { maximumDensity } from '../../../engine/src/predict/published/density.js';
import { machineOf, once } from '../../../engine/src/predict/published/tiles.js';

const device = getDevice('v100');

describe('answers that predictions remember', () => {
  it('are given again to the same question, and leave when there are thousands of others', () => {
    const machine = machineOf(device, 1);
    let searches = 0;
    const ask = (key: string) =>
      once(machine, key, () => {
        searches++;
        return { key };
      });
    const answer = ask('0');
    expect(ask('0')).toBe(answer);
    expect(searches).toBe(1);
    for (let i = 1; i <= 10_000; i++) ask(`${i}`);
    expect(machine.searched.size).toBeLessThan(10_000);
    expect(ask('0')).toEqual(answer);
    expect(searches).toBe(10_002);
  });

  it('are of a bounded number of batches', () => {
    const first = machineOf(device, 1);
    expect(machineOf(device, 1)).toBe(first);
    for (let batch = 2; batch <= 100; batch++) machineOf(device, batch);
    const again = machineOf(device, 1);
    expect(again).not.toBe(first);
    expect({ ...again, searched: undefined }).toEqual({ ...first, searched: undefined });
  });

  it('do not depend on what was asked between', () => {
    const answer = maximumDensity(4, 16, 0.5, 2);
    for (let i = 0; i < 5000; i++) maximumDensity(2, 2, i / 5000, 1);
    expect(maximumDensity(4, 16, 0.5, 2)).toBe(answer);
  });
});
