import { FoveaError } from '../errors.js';
import type { Block } from './network.js';

/**
 * Convolutions of the longest branch that a block may have, as plans name them (`conv1`, `conv2`, …) and as one stream holds
 * them.
 */
export const LONGEST_BRANCH = 8;

/** @throws FoveaError `unsupported` when a block's branch is longer, or has no convolution */
export function expectBranch({ name, branch }: Block): void {
  if (branch.length >= 1 && branch.length <= LONGEST_BRANCH) return;
  throw new FoveaError(
    'unsupported',
    `"${name}" has a branch of ${branch.length} convolutions; 1 to ${LONGEST_BRANCH} are accepted`,
  );
}
