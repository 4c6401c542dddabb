import { expectedAttendedRate, expectedBranchRates, expectedSquares } from '../mask/expected.js';
import { activeFraction } from '../mask/geometry.js';
import type { Mask } from '../mask/mask.js';
import { activePixels, attendedRegion, branchRegions, type Region } from '../mask/regions.js';
import type { Block } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';

/** How much of each map of a block has to be computed. */
export interface Coverage {
  /** Fraction of output pixels that are active, 0…1. */
  readonly rate: number;
  /** Fraction of the output pixels of each convolution of the branch that its successors need, 0…1. */
  readonly branch: readonly number[];
  /** Fraction of the pixels whose scales a spatial attention makes, where there is one. */
  readonly attended?: number;
  /**
   * Squares of 2 x 2 output pixels of each convolution of the branch of which at least one pixel is needed, whole
   * batch; left out, all of them.
   */
  readonly squares?: readonly number[];
  /** True when it is an expectation, false when it was counted. */
  readonly expected?: boolean;
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
  const attended = expectedAttendedRate(block, shape, granularity, rate);
  return {
    rate,
    branch: expectedBranchRates(block, shape, granularity, rate),
    ...(attended === undefined ? {} : { attended }),
    squares: expectedSquares(block, shape, granularity, rate).map((squares) => batch * squares),
    expected: true,
  };
}

/**
 * Coverage of an actual mask, counted pixel by pixel.
 * @param batch images that it stands for, when it is not of as many
 */
export function maskCoverage(mask: Mask, block: Block, shape: BlockShape, batch = mask.batch): Coverage {
  const times = batch / mask.batch;
  const active = activePixels(mask, block, shape);
  const regions = branchRegions(block, shape, active, mask.batch, {
    denseConv1: false,
    excitation: 'active',
  });
  const attended = attendedRegion(block, shape, active, mask.batch);
  return {
    rate: activeFraction(active),
    branch: regions.map(fractionOf),
    ...(attended ? { attended: fractionOf(attended) } : {}),
    squares: regions.map((region, i) => times * countSquares(region, mask.batch, shape.branch[i]!)),
  };
}

const fractionOf = (region: Region) => (region === 'all' ? 1 : activeFraction(region));

/** Coverage from the two figures that a strategy gets. */
export function statisticsCoverage(
  block: Block,
  shape: BlockShape,
  granularity: number,
  { rate, dilatedRate }: { readonly rate: number; readonly dilatedRate: number },
  batch: number,
): Coverage {
  const expected = expectedCoverage(block, shape, granularity, rate, batch);
  const [, ...others] = expected.branch;
  return { ...expected, branch: others.length > 0 ? [dilatedRate, ...others] : [rate] };
}

/** Everything computed. */
export function fullCoverage(block: Block): Coverage {
  return { rate: 1, branch: block.branch.map(() => 1) };
}

type MapSize = BlockShape['branch'][number];

/** Squares of 2 x 2 pixels, aligned to even rows and columns, of a whole map. */
export function wholeSquares(batch: number, { height, width }: MapSize): number {
  return batch * Math.ceil(height / 2) * Math.ceil(width / 2);
}

/** Those with at least one pixel in `region`. */
function countSquares(region: Region, batch: number, map: MapSize): number {
  if (region === 'all') return wholeSquares(batch, map);
  const { height, width } = map;
  const acrossMap = Math.ceil(width / 2);
  const downMap = Math.ceil(height / 2);
  const touched = new Uint8Array(batch * downMap * acrossMap);
  region.forEach((active, pixel) => {
    if (!active) return;
    const row = Math.floor(pixel / width);
    const image = Math.floor(row / height);
    touched[(image * downMap + ((row % height) >> 1)) * acrossMap + ((pixel % width) >> 1)] = 1;
  });
  return touched.reduce((sum, one) => sum + one, 0);
}
