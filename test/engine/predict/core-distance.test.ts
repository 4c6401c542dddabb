import { describe, expect, it } from 'vitest';
import {
  atDistance,
  deviceAtDistance,
  distancesOf,
  withOtherStates,
} from '../../../engine/src/predict/calibrate/core-distance.js';
import type { TimedTrial } from '../../../engine/src/predict/calibrate/time-trials.js';
import { calibrationOf, costsFor, type NativeFit } from '../../../engine/src/predict/calibration.js';
import { getDevice } from '../../../engine/src/predict/devices.js';
import { nativeAmounts } from '../../../engine/src/predict/program-cost/describer.js';
import type { Profile } from '../../../engine/src/profile.js';

/** Times from core to core of some runs, in ns; undefined where a thread found no core. */
const profiles = (...ns: readonly (number | undefined)[]): Profile[] =>
  ns.map((one) => (one === undefined ? {} : { handoverMs: one * 1e-6 }) as Profile);

const inNs = (ms: readonly number[]) => ms.map((one) => Math.round(one * 1e6));

function fitOn(threads: number, ns?: number): NativeFit {
  const costs = Object.fromEntries(
    (nativeAmounts() ?? [{ name: 'passes' }]).map(({ name }) => [name, ns ?? 0]),
  );
  const distance = ns === undefined ? {} : { handoverMs: ns * 1e-6 };
  return {
    ...{ threads, costs, ...distance, medianError: 0.1, samples: 100 },
    ...{ runMs: ns ?? 0, runShare: 0, runByteMs: 0 },
  };
}

const device = (...fits: readonly NativeFit[]) => ({
  ...getDevice('cpu-avx2'),
  calibration: {
    ...{ kind: 'native', isa: 'portable', machine: { nearBytes: 1e6, farBytes: 1e7 }, fits },
  } as unknown as Readonly<Record<string, unknown>>,
});

describe('states of cores', () => {
  it('are distinguished by the time from core to core, the most frequent first', () => {
    expect(distancesOf(profiles(undefined, undefined))).toEqual([]);
    expect(inNs(distancesOf(profiles(55, 60, 50, undefined)))).toEqual([55]);
    expect(inNs(distancesOf(profiles(170, 55, 175, 60, 180, 171)))).toEqual([171, 55]);
  });

  it('count only when a quarter of the runs was made in them', () => {
    expect(inNs(distancesOf(profiles(55, 56, 57, 58, 59, 60, 180)))).toEqual([57]);
    expect(inNs(distancesOf(profiles(55, 56, 57, 18, 19, 180, 181, 182)))).toEqual([56, 181, 18]);
  });

  it('part runs: those of the other states, and disturbed ones, are left out', () => {
    const trial = { profiles: profiles(55, 180, undefined, 60) } as unknown as TimedTrial;
    expect(inNs(atDistance([trial], 55e-6)[0]!.profiles.map(({ handoverMs }) => handoverMs!))).toEqual([
      55, 60,
    ]);
    expect(atDistance([trial], undefined)[0]!.profiles).toHaveLength(4);
  });
});

describe('fits for the states that cores are in', () => {
  it('stay when a later calibration did not see the state', () => {
    const earlier = [fitOn(1), fitOn(2, 55), fitOn(2, 180), fitOn(3, 20)];
    const kept = withOtherStates([fitOn(1), fitOn(2, 60)], earlier);
    expect(kept.map(({ threads, runMs }) => [threads, runMs])).toEqual([
      [1, 0],
      [2, 60],
      [2, 180],
    ]);
  });

  it('are predicted with by the state seen last, or by the nearest to a given one', () => {
    const two = device(fitOn(1), fitOn(2, 60), fitOn(2, 180));
    const runMs = (given: ReturnType<typeof device>, threads = 2) =>
      costsFor(calibrationOf(given)!, threads).runMs;
    expect(runMs(two)).toBe(60);
    const far = (ns: number | undefined, threads = 2) =>
      deviceAtDistance(two, threads, ns === undefined ? undefined : ns * 1e-6) as typeof two;
    expect(runMs(far(150))).toBe(180);
    expect(runMs(far(70))).toBe(60);
    expect(far(70)).toBe(two);
    expect(far(undefined)).toBe(two);
    expect(far(150, 1)).toBe(two);
    // Between one thread and two, and beyond, the state counts as well.
    expect(runMs(far(150), 8)).toBe(180);
  });
});
