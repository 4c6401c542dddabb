import type { Primitive } from './primitives/primitive.js';

/**
 * Where the time went, or is expected to go. `predict` and `run` return this same type, so that every plot
 * and table can put prediction and measurement side by side.
 */
export interface Profile {
  readonly kind: 'predicted' | 'measured';
  readonly network: string;
  /** Backend that ran (`native avx2`), or cost model (`fovea`, `published`). */
  readonly source: string;
  /** Device name: of the machine measured, or of the device predicted for. */
  readonly device: string;
  readonly strategy: string;
  readonly batch: number;
  readonly threads: number;
  readonly ops: readonly OpTiming[];
  readonly blocks: readonly BlockTiming[];
  /** Wall time of the whole network, ms. */
  readonly totalMs: number;
  /** Multiply-adds times two, all images of the batch. */
  readonly flops: number;
  /** What dense execution would have needed, minus `flops`. */
  readonly flopsAvoided: number;
  /** One sentence each: fallbacks taken, pooling mode of attention, foreign nodes. */
  readonly notes: readonly string[];
  /**
   * Measured with `paced` on several threads only: how long a value takes from one thread to another, ms. Cores of a
   * virtual machine may move apart from one minute to the next, and passes that exchange values then take longer.
   */
  readonly handoverMs?: number;
  /** Measured on a GPU only: the kernels that computed, those that took the most time first. */
  readonly kernels?: readonly KernelTiming[];
}

/** What one kernel of a GPU did in a run. */
export interface KernelTiming {
  /**
   * The variant of a convolution (`gemm 64x64`, `winograd`, `matrices 128x64`, `fused 32`), `lists` or `lists by subgroups`
   * for the lists of active pixels, `others` for all else. What a pass does one after the other is timed together, its
   * names joined by ` + `.
   */
  readonly name: string;
  /** Passes of the GPU, of which a pass of the plan may have several. */
  readonly passes: number;
  /** Those of them for which a rule chose the kernel, and no timing on this GPU; left out where there are none. */
  readonly byRule?: number;
  /** Left out where the adapter times no passes. */
  readonly totalMs?: number;
}

/** One pass: a group of a block, or a dense node outside blocks. */
export interface OpTiming {
  readonly name: string;
  /** Block index, or -1 for stem, head and other dense nodes. */
  readonly block: number;
  /** Empty for a dense node. */
  readonly primitives: readonly Primitive[];
  readonly totalMs: number;
  /**
   * The three add up to `totalMs`. Predicted: as the cost model splits them. Measured: a pass that holds a
   * convolution counts as compute, one that only moves values as data movement, and decisions, index
   * building and dispatch as overhead.
   */
  readonly computeMs: number;
  readonly dataMs: number;
  readonly overheadMs: number;
  readonly flops: number;
  readonly flopsAvoided: number;
  /** Bytes read and written, counting each distinct byte of a pass once. */
  readonly bytes: number;
  readonly note?: string;
  /**
   * Measured with `paced` only: how long a fixed piece of arithmetic for each thread took around the pass, ms. The
   * longer, the more of the processor's speed other work took at that time.
   */
  readonly paceMs?: number;
}

/** Time and work of one residual block; times in ms. */
export interface BlockTiming {
  readonly block: number;
  readonly name: string;
  readonly stage: number;
  readonly mode: 'dense' | 'adaptive';
  readonly granularity: number;
  /** Fraction of active output pixels, 0…1. */
  readonly rate: number;
  readonly dilatedRate: number;
  readonly totalMs: number;
  readonly computeMs: number;
  readonly dataMs: number;
  readonly overheadMs: number;
  readonly flops: number;
  readonly flopsAvoided: number;
}

/** The FLOPs that remain, as a fraction of dense execution's; 1 where nothing is counted, as of a network of foreign nodes. */
export function flopsLeft({ flops, flopsAvoided }: Pick<Profile, 'flops' | 'flopsAvoided'>): number {
  const dense = flops + flopsAvoided;
  return dense === 0 ? 1 : flops / dense;
}
