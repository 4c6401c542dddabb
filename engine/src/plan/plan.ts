import type { Excitation } from './excitation.js';

/**
 * How a network is to be executed: for each block, the primitives in order, cut into groups. One group is
 * one pass over memory. Plain data: printable, comparable, serialisable, and the one thing that both the
 * predictor costs and the executor runs.
 */

/**
 * - `pool`: adaptive average pool of the block input to the mask's grid
 * - `mask`: the masker's linear map and threshold on the pooled grid
 * - `index`: mask → lists of active and dilated pixels
 * - `gather`: active rows with their halo copied into a packed buffer before a spatial convolution
 * - `conv1`, `conv2`, `conv3`: the branch's convolutions by position (`conv3` absent in basic blocks)
 * - `excite`: squeeze-and-excitation
 * - `projection`: the shortcut's convolution, always dense
 * - `scatter`: packed rows written back to a map
 * - `add`: residual add and activation
 * - `next-pool`: the next block's `pool`, taken from values this pass has just written
 */
export type Primitive =
  | 'pool'
  | 'mask'
  | 'index'
  | 'gather'
  | 'conv1'
  | 'conv2'
  | 'conv3'
  | 'excite'
  | 'projection'
  | 'scatter'
  | 'add'
  | 'next-pool';

/** Primitives executed in one pass. */
export interface Group {
  readonly primitives: readonly Primitive[];
  /** Pixels per tile when the group streams tile by tile; left out, the backend chooses. */
  readonly tile?: number;
}

export interface BlockPlan {
  /** Index of the block in the network. */
  readonly block: number;
  /** `dense` ignores masks and computes everything; `adaptive` follows the mask. */
  readonly mode: 'dense' | 'adaptive';
  /** Granularity S, output pixels per cell side; at least 1. */
  readonly granularity: number;
  readonly groups: readonly Group[];
  /** How squeeze-and-excitation pools: over the dense map, or over active pixels only. */
  readonly excitation: Excitation;
  /** Why the strategy chose this, when it has a reason worth reading. */
  readonly reason?: string;
}

export interface Plan {
  readonly network: string;
  readonly strategy: string;
  readonly blocks: readonly BlockPlan[];
}
