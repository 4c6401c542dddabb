import type { Excitation } from '../mask/excitation.js';
import type { Block } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import type { Device } from './device.js';
import type { BlockPlan } from './plan.js';

/** Name of a strategy: one of the engine's own, which editors offer, or one that was registered. */
export type StrategyName =
  | 'dense'
  | 'unfused'
  | 'lasnet'
  | 'streamed'
  | 'auto'
  | (string & Record<never, never>);

/** What is known, or assumed, of a block's mask when a plan is made. */
export interface MaskStatistics {
  /** Fraction of output pixels that are active, 0…1. */
  readonly rate: number;
  /** Fraction of conv1's output pixels inside the dilated mask, `rate`…1. */
  readonly dilatedRate: number;
}

/** What a strategy knows of the block that it plans. */
export interface StrategyContext {
  readonly block: Block;
  readonly shape: BlockShape;
  readonly granularity: number;
  /** How attention is to pool. */
  readonly excitation: Excitation;
  readonly statistics: MaskStatistics;
  readonly batch: number;
  readonly threads: number;
  /** Weights of the whole network as float32. */
  readonly weightBytes: number;
  /** The device planned for, when one is known. */
  readonly device?: Device;
  /** What will compute, where no device is known; a processor when left out. */
  readonly target?: Device['kind'];
  /** The block that follows, when the next node is a block: for fusing its `pool`. */
  readonly next?: Block;
  /** False when the masker does not need the `pool` primitive. */
  readonly needsPool: boolean;
}

/** A scheduling strategy: from block, mask statistics and device to that block's plan. */
export interface Strategy {
  readonly name: string;
  /** One line for tables. */
  readonly description: string;
  plan(
    context: StrategyContext,
  ): Omit<BlockPlan, 'block' | 'granularity' | 'excitation'> &
    Partial<Pick<BlockPlan, 'granularity' | 'excitation'>>;
}
