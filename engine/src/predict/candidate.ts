import type { Excitation } from '../mask/excitation.js';
import type { Block } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import { checkBlockPlan } from '../plan/check-plan.js';
import type { BlockPlan } from '../plan/plan.js';
import { dense } from '../plan/strategies.js';
import type { Strategy } from '../plan/strategy.js';
import { type Coverage, expectedCoverage, fullCoverage } from './coverage.js';
import type { Setting } from './options.js';
import { blockTime } from './program-cost/block-cost.js';

/** One way of running a block, and what it is predicted to take. */
export interface Candidate {
  readonly strategy: string;
  readonly mode: 'dense' | 'adaptive';
  /** S; the map's larger side is the whole map. */
  readonly granularity: number;
  /** Activation rate assumed; 1 when dense. */
  readonly rate: number;
  readonly totalMs: number;
  readonly computeMs: number;
  readonly dataMs: number;
  readonly overheadMs: number;
}

/** A block at its position in a network. */
export interface PlacedBlock {
  readonly block: Block;
  readonly shape: BlockShape;
  /** False when masks come without reading the block's input. */
  readonly needsPool: boolean;
  readonly excitation: Excitation;
}

/**
 * Costs a single block under a strategy: its own pool is charged to it, and it pools for no other block.
 * @param coverage what its masks leave to be computed
 */
export function costCandidate(
  { block, shape, needsPool, excitation }: PlacedBlock,
  strategy: Strategy,
  granularity: number,
  coverage: Coverage,
  setting: Setting,
): Candidate {
  const wished = strategy.plan({
    block,
    shape,
    granularity,
    excitation,
    statistics: { rate: coverage.rate, dilatedRate: coverage.branch[0]! },
    batch: setting.batch,
    threads: setting.threads,
    weightBytes: setting.weightBytes,
    device: setting.device,
    needsPool,
  });
  const plan: BlockPlan = { granularity, excitation, ...wished, block: block.index };
  checkBlockPlan(plan, block);
  const isDense = plan.mode === 'dense';
  const { computeMs, dataMs, overheadMs } = blockTime(
    block,
    shape,
    plan,
    isDense ? fullCoverage(block) : coverage,
    setting,
  );
  return {
    strategy: strategy.name,
    mode: plan.mode,
    granularity: plan.granularity,
    rate: isDense ? 1 : coverage.rate,
    totalMs: computeMs + dataMs + overheadMs,
    computeMs,
    dataMs,
    overheadMs,
  };
}

/** The block computed everywhere, without a mask. */
export function costDense(placed: PlacedBlock, setting: Setting): Candidate {
  return costCandidate(placed, dense, 1, fullCoverage(placed.block), setting);
}

/** Granularities that give an output map of this size different grids, ascending; the last is the whole map. */
export function distinctGranularities({ outHeight, outWidth }: BlockShape): number[] {
  const whole = Math.max(outHeight, outWidth);
  const kept: number[] = [];
  let before = '';
  for (let S = 1; S <= whole; S++) {
    const grid = `${Math.max(1, Math.floor(outHeight / S))}x${Math.max(1, Math.floor(outWidth / S))}`;
    if (grid !== before) kept.push(S);
    before = grid;
  }
  kept[kept.length - 1] = whole;
  return kept;
}

/** What takes most of a candidate's time. */
export function boundOf({ computeMs, dataMs, overheadMs }: Candidate): 'compute' | 'memory' | 'overhead' {
  if (computeMs >= dataMs && computeMs >= overheadMs) return 'compute';
  return dataMs >= overheadMs ? 'memory' : 'overhead';
}

/**
 * The highest rate at which a block still gains from being adaptive: where the adaptive cost meets the dense.
 * @returns 0…1; 1 when it gains at every rate, 0 when at none
 */
export function findBreakEven(
  placed: PlacedBlock,
  strategy: Strategy,
  granularity: number,
  denseMs: number,
  setting: Setting,
): number {
  const { block, shape } = placed;
  const costAt = (rate: number) => {
    const coverage = expectedCoverage(block, shape, granularity, rate, setting.batch);
    return costCandidate(placed, strategy, granularity, coverage, setting).totalMs;
  };
  if (costAt(1) <= denseMs) return 1;
  if (costAt(0) > denseMs) return 0;
  let low = 0;
  let high = 1;
  for (let step = 0; step < 8; step++) {
    const middle = (low + high) / 2;
    if (costAt(middle) <= denseMs) low = middle;
    else high = middle;
  }
  return low;
}
