import { builtNetwork, type Profile, predict } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { atPace, paceOf, quietOf } from '../../../engine/src/predict/calibrate/pace.js';
import { profileOfMedians } from '../../../engine/src/predict/calibrate/time-trials.js';

/** A profile of passes that took `ms` while the same arithmetic took `paceMs`, and as long again outside of them. */
function measured(passes: readonly { readonly ms: number; readonly paceMs?: number }[]): Profile {
  const profile = predict(builtNetwork('resnet18'), { device: 'cpu-avx2', granularity: 4 });
  const ops = passes.map(({ ms, paceMs }) => ({
    ...profile.ops[0]!,
    totalMs: ms,
    computeMs: ms / 2,
    dataMs: ms / 2,
    overheadMs: 0,
    ...(paceMs === undefined ? {} : { paceMs }),
  }));
  return { ...profile, ops, totalMs: 2 * passes.reduce((sum, { ms }) => sum + ms, 0) };
}

describe('the pace of a measurement', () => {
  it('is the median around its passes, the short ones aside', () => {
    const runs = [
      measured([
        { ms: 1, paceMs: 0.01 },
        { ms: 2, paceMs: 0.02 },
        { ms: 0.001, paceMs: 5 },
      ]),
      measured([{ ms: 1, paceMs: 0.011 }]),
    ];
    expect(paceOf(runs)).toMatchObject({ medianMs: 0.011, leastMs: 0.01 });
  });

  it('is quiet near its shortest, or in its shortest quarter', () => {
    const paces = (list: readonly number[]) => [measured(list.map((paceMs) => ({ ms: 1, paceMs })))];
    expect(paceOf(paces([0.01, 0.0103, 0.02, 0.03]))!.quietMs).toBeCloseTo(0.0105, 12);
    expect(paceOf(paces([0.01, 0.012, 0.013, 0.02, 0.02, 0.02, 0.03, 0.03]))!.quietMs).toBe(0.013);
  });

  it('chooses the times of quiet moments, unless there are too few', () => {
    const times = (paces: readonly number[]) =>
      measured(paces.map((paceMs, i) => ({ ms: i + 1, paceMs }))).ops;
    const chosen = (paces: readonly number[], quietMs?: number) =>
      quietOf(times(paces), quietMs).map(({ totalMs }) => totalMs);
    expect(chosen([0.01, 0.02, 0.0104, 0.03], 0.0105)).toEqual([1, 3]);
    expect(chosen([0.01, 0.02, 0.02, 0.03], 0.0105)).toEqual([1, 2, 3, 4]);
    expect(chosen([0.01], 0.0105)).toEqual([1]);
    expect(chosen([0.02, 0.01])).toEqual([1, 2]);
    const runs = [1, 2, 4, 9].map((ms) => measured([{ ms, paceMs: ms < 3 ? 0.01 : 0.03 }]));
    expect(profileOfMedians(runs, 0.0105).ops[0]!.totalMs).toBe(1);
    expect(profileOfMedians(runs).ops[0]!.totalMs).toBe(2);
  });

  it('is unknown where a backend does not report it', () => {
    expect(paceOf([measured([{ ms: 1 }])])).toBeUndefined();
    const untold = measured([{ ms: 1 }, { ms: 2 }]);
    expect(atPace(untold, 0.01)).toEqual(untold);
  });

  it('undoes what slowed down a part of a run', () => {
    const calm = measured([
      { ms: 1, paceMs: 0.01 },
      { ms: 2, paceMs: 0.01 },
    ]);
    const disturbed = measured([
      { ms: 1, paceMs: 0.01 },
      { ms: 4, paceMs: 0.02 },
    ]);
    const [was, is] = [atPace(calm, 0.01), atPace(disturbed, 0.01)];
    expect(is.ops.map(({ totalMs }) => totalMs)).toEqual([1, 2]);
    expect(is.ops[1]).toMatchObject({ computeMs: 1, dataMs: 1 });
    expect(is.totalMs).toBeCloseTo(was.totalMs, 12);
  });

  it('scales to any other', () => {
    const profile = atPace(measured([{ ms: 3, paceMs: 0.02 }]), 0.04);
    expect(profile.ops[0]!.totalMs).toBeCloseTo(6, 12);
    expect(profile.totalMs).toBeCloseTo(12, 12);
  });
});
