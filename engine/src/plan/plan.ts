import type { BlockSchedule, Primitive, PrimitiveGroup } from '../primitives/primitive.js';
import type { Rewrite } from './rewrite.js';

/**
 * How a network is to be executed: for each block, the primitives in order, cut into groups. One group is
 * one pass over memory. Printable, comparable, serialisable unless a block has a rewrite, and the one thing that both the
 * predictor costs and the executor runs.
 */

/** Primitives executed in one pass. */
export type Group = PrimitiveGroup;

/** A block's schedule as a strategy gives it. */
export interface BlockPlan extends BlockSchedule {
  /** Index of the block in the network. */
  readonly block: number;
  readonly groups: readonly Group[];
  /** The strategy's own change to what the groups mean; a plan that was saved as JSON has lost it, and is refused. */
  readonly rewrite?: Rewrite;
  /** Why the strategy chose this, when it has a reason worth reading. */
  readonly reason?: string;
  /** What the choice lacks, and what to do about it: a run's Profile says so. */
  readonly caution?: string;
}

/** How every block of a network is executed: made by `makePlan`, checked before it runs. */
export interface Plan {
  readonly network: string;
  readonly strategy: string;
  readonly blocks: readonly BlockPlan[];
}

export type { Primitive };

/** True when the program does not follow from what the plan says alone. */
export function hasRewrite({ blocks }: Plan): boolean {
  return blocks.some(({ rewrite }) => rewrite !== undefined);
}

/** A plan, or a part of one, as text: a rewrite by its name only. */
export function planText(part: Plan | Plan['blocks']): string {
  return JSON.stringify(part, (field, value) => (field === 'rewrite' ? (value as Rewrite).name : value));
}
