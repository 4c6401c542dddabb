import { everyNth } from '../every-nth.js';
import type { Convolution } from '../network.js';
import type { Draft, PoolDraft } from './draft.js';

/** Whether a draft is a pool over windows. */
export function isPool(draft: Draft): draft is PoolDraft {
  return draft.kind === 'average-pool' || draft.kind === 'max-pool';
}

/**
 * A pool between or behind a branch's convolutions as a depthwise convolution: of one weight (anti-aliased ResNets), or of
 * which the largest tap counts (Xception). Undefined where no convolution has its windows: averages at the map's edge that are
 * of fewer values, and windows that hang over it.
 */
export function poolInBranch(pool: PoolDraft, channels: number): Convolution | undefined {
  const { kind, label, kernel, stride, padding, samePadding, ceilMode, countIncludePad } = pool;
  const pads = samePadding !== undefined || padding.some((amount) => amount > 0);
  if (ceilMode || (kind === 'average-pool' && pads && !countIncludePad)) return undefined;
  const area = kernel[0] * kernel[1];
  const largest = kind === 'max-pool';
  return {
    ...everyNth(label, channels, stride),
    ...{ kernel, padding, ...(samePadding ? { samePadding } : {}) },
    weight: new Float32Array(channels * area).fill(largest ? 1 : 1 / area),
    ...(largest ? { maximum: true } : {}),
  };
}
