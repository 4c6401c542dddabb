import type { Block } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';

/**
 * Where a block's residual branch is computed: a grid of cells over the block's OUTPUT map.
 * Pixel `y` belongs to cell row `floor(y · rows / height)`; likewise for columns.
 */
export interface Mask {
  readonly block: number;
  /** Granularity S that was asked for; the grid is `max(1, floor(height / S))` by `max(1, floor(width / S))`. */
  readonly granularity: number;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  /** Output map that the grid covers. */
  readonly height: number;
  readonly width: number;
  /** `batch · rows · columns` values, 1 for active. */
  readonly cells: Uint8Array;
  /** Logit margin per cell (compute − skip), where the masker has one. */
  readonly margins?: Float32Array;
}

/** What a masker sees of the block it decides for. */
export interface MaskerContext {
  readonly block: Block;
  readonly shape: BlockShape;
  readonly granularity: number;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  /** Adaptive average pool of the block's input, `(batch, rows, columns, inChannels)`. */
  readonly pooled: Float32Array;
}

/** A masker's answer: which cells are active, and how sure it is. It may give the same one again: only read it. */
export interface MaskDecision {
  /** `batch · rows · columns` values, 1 for active. */
  readonly cells: Uint8Array;
  readonly margins?: Float32Array;
}

/** Decides, per cell, whether a block's residual branch is computed there. */
export interface Masker {
  readonly kind: 'learned' | 'fixed' | 'random' | 'saliency' | 'custom';
  /** One line for tables: `random at 0.5, seed 1`. */
  readonly description: string;
  /** False when the decision does not read the block's input, so that the pool can be left out. */
  readonly needsPool: boolean;
  /** Share of the cells that it always keeps, 0…1; left out where that depends on the image. */
  readonly rate?: number;
  decide(context: MaskerContext): MaskDecision | Promise<MaskDecision>;
}
