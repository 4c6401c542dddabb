import type { LatencyProfile } from '../documents/types';

/** What the ops outside blocks are called together. */
export const OUTSIDE = 'stem, head';

type Times = Pick<LatencyProfile['ops'][number], 'totalMs' | 'computeMs' | 'dataMs' | 'overheadMs'>;

/** Times of the ops outside blocks: stem, head, and whatever stands between; `undefined` where they take none. */
export function outsideBlocks(profile: LatencyProfile): Times | undefined {
  const ops = profile.ops.filter((op) => op.block < 0);
  const sum = (key: keyof Times) => ops.reduce((total, op) => total + op[key], 0);
  const totalMs = sum('totalMs');
  if (totalMs === 0) return undefined;
  return {
    totalMs,
    computeMs: sum('computeMs'),
    dataMs: sum('dataMs'),
    overheadMs: sum('overheadMs'),
  };
}
