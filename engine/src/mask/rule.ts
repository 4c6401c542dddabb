import type { Block } from '../network/network.js';
import { isLearned } from './learned.js';
import type { Masker } from './mask.js';
import { salientRate } from './saliency.js';

/**
 * True of maskers whose arithmetic is known: the block's learned one, and saliency, as the engine itself makes them.
 * Fixed and random masks compute nothing. What a user's function computes is not known, whatever its name. Neither
 * counts FLOPs.
 */
export function decidesByRule(masker: Masker, block: Block): boolean {
  return (isLearned(masker) && block.masker !== undefined) || salientRate(masker) !== undefined;
}

/** FLOPs of deciding `cells` cells by a known rule: a multiply-add for each channel of the pooled input. */
export function decisionFlops(cells: number, channels: number): number {
  return 2 * cells * channels;
}
