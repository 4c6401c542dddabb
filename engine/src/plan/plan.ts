import type { BlockSchedule, Primitive, PrimitiveGroup } from '../primitives/primitive.js';

/**
 * How a network is to be executed: for each block, the primitives in order, cut into groups. One group is
 * one pass over memory. Plain data: printable, comparable, serialisable, and the one thing that both the
 * predictor costs and the executor runs.
 */

/** Primitives executed in one pass. */
export type Group = PrimitiveGroup;

/** A block's schedule as a strategy gives it. */
export interface BlockPlan extends BlockSchedule {
  /** Index of the block in the network. */
  readonly block: number;
  readonly groups: readonly Group[];
  /** Why the strategy chose this, when it has a reason worth reading. */
  readonly reason?: string;
}

/** How every block of a network is executed: made by `makePlan`, checked before it runs. */
export interface Plan {
  readonly network: string;
  readonly strategy: string;
  readonly blocks: readonly BlockPlan[];
}

export type { Primitive };
