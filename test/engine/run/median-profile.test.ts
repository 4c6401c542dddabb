import { medianProfile, type Profile } from '@fovea/engine';
import { describe, expect, it } from 'vitest';

/** A run of three passes in one block each, with these times. */
function profileOf(...times: number[]): Profile {
  const parts = (totalMs: number) => ({
    totalMs,
    computeMs: totalMs / 2,
    dataMs: totalMs / 4,
    overheadMs: totalMs / 4,
  });
  return {
    kind: 'measured',
    network: 'n',
    source: 's',
    device: 'd',
    strategy: 'streamed',
    batch: 1,
    threads: 1,
    ops: times.map((ms, block) => ({ name: `op ${block}`, block, primitives: [], ...parts(ms) })),
    blocks: times.map((ms, block) => ({ block, name: `b${block}`, stage: 0, ...parts(ms) })),
    totalMs: times.reduce((sum, ms) => sum + ms, 0),
    flops: 1,
    flopsAvoided: 0,
    notes: [],
  } as unknown as Profile;
}

describe('the median of several runs', () => {
  it('shows no run’s outlier, though every run has one and the middle run too', () => {
    const runs = [
      profileOf(90, 2, 3),
      profileOf(1, 95, 3),
      profileOf(1.2, 2.2, 99),
      profileOf(1.1, 2.1, 3.1),
    ];
    const { ops, blocks } = medianProfile(runs);
    expect(ops.map(({ totalMs }) => totalMs)).toEqual([1.1, 2.1, 3]);
    expect(blocks.map(({ totalMs }) => totalMs)).toEqual([1.1, 2.1, 3]);
    for (const op of ops) expect(op.computeMs + op.dataMs + op.overheadMs).toBeCloseTo(op.totalMs, 12);
  });

  it('takes the total that was in the middle', () => {
    expect(medianProfile([profileOf(5), profileOf(1), profileOf(2)]).totalMs).toBe(2);
    expect(medianProfile([profileOf(7)]).totalMs).toBe(7);
  });

  it('refuses no runs, and runs of different programs', () => {
    expect(() => medianProfile([])).toThrow('at least one is needed');
    expect(() => medianProfile([profileOf(1), profileOf(1, 2)])).toThrow('runs of one program');
  });
});
