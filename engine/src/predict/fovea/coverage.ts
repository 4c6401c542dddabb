import { expectedBranchRates } from '../../mask/expected.js';
import { activeFraction, maskGrid, spreadCells } from '../../mask/geometry.js';
import type { Mask } from '../../mask/mask.js';
import { branchRegions } from '../../mask/regions.js';
import type { Block } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';

/** How much of each map of a block has to be computed. */
export interface Coverage {
  /** Fraction of output pixels that are active, 0…1. */
  readonly rate: number;
  /** Fraction of the output pixels of each convolution of the branch that its successors need, 0…1. */
  readonly branch: readonly number[];
  /** Active cells, whole batch. */
  readonly cells: number;
}

/**
 * Expected coverage when every cell is active independently with probability `rate`: a pixel on which k cells
 * depend is computed with probability 1 − (1 − r)^k.
 *
 * @param granularity S; `Infinity` is the whole map
 * @param rate 0…1
 */
export function expectedCoverage(
  block: Block,
  shape: BlockShape,
  granularity: number,
  rate: number,
  batch: number,
): Coverage {
  const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, granularity);
  return {
    rate,
    branch: expectedBranchRates(block, shape, granularity, rate),
    cells: batch * rows * columns * rate,
  };
}

/** Coverage of an actual mask, counted pixel by pixel. */
export function maskCoverage(mask: Mask, block: Block, shape: BlockShape): Coverage {
  const active = spreadCells(mask.cells, mask, mask.batch, mask.height, mask.width);
  const regions = branchRegions(block, shape, active, mask.batch, {
    denseConv1: false,
    excitation: 'active',
  });
  return {
    rate: activeFraction(active),
    branch: regions.map((region) => (region === 'all' ? 1 : activeFraction(region))),
    cells: mask.cells.reduce((sum, cell) => sum + cell, 0),
  };
}

/** Coverage from the two figures that a strategy is told. */
export function statisticsCoverage(
  block: Block,
  shape: BlockShape,
  granularity: number,
  { rate, dilatedRate }: { readonly rate: number; readonly dilatedRate: number },
  batch: number,
): Coverage {
  const { branch, cells } = expectedCoverage(block, shape, granularity, rate, batch);
  const [, ...others] = branch;
  return { rate, branch: branch.length > 1 ? [dilatedRate, ...others] : [rate], cells };
}

/** Everything computed. */
export function fullCoverage(block: Block): Coverage {
  return { rate: 1, branch: block.branch.map(() => 1), cells: 0 };
}
