import type { Block } from '../network/network.js';
import type { BlockLowering } from './block-lowering.js';
import type { BlockMode, Primitive } from './primitive.js';

/** All that the engine knows of a primitive. Checks of plans, lowering, displays and docs ask here. */
export interface PrimitiveRecord {
  /** One line: what it does. */
  readonly description: string;
  /** How the time of a pass is counted that does nothing but this, or this and what counts for less. */
  readonly counts: 'compute' | 'data' | 'overhead';
  /** Whether the plan of a block must have it, may have it, or cannot. */
  standing(block: Block, mode: BlockMode): 'required' | 'optional' | 'absent';
  /** Primitives that come before it, where the plan has them. */
  after(block: Block): readonly Primitive[];
  /** Adds to the program what it means. Called in the order of the plan. */
  lower(block: BlockLowering): void;
}
