import { FoveaError } from '../errors.js';
import type { Block } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import { maskGrid } from './geometry.js';
import type { Mask, MaskDecision, Masker } from './mask.js';

/**
 * Checks what a masker answered: one cell of 0 or 1 for each of the grid's.
 * @param wanted how many cells there are
 * @returns the cells
 * @throws FoveaError `bad-shape` for another number of cells or margins, `bad-argument` for a cell that is neither
 */
export function checkDecision(
  { cells, margins }: MaskDecision,
  masker: Masker,
  block: Block,
  wanted: number,
): Uint8Array {
  const said = `masker "${masker.description}"`;
  if (cells?.length !== wanted || (margins !== undefined && margins.length !== wanted)) {
    const [what, count] =
      cells?.length === wanted ? ['margins', margins!.length] : ['cells', cells?.length ?? 'no'];
    throw new FoveaError(
      'bad-shape',
      `${said} answered ${count} ${what} for block ${block.index}; ${wanted} are needed`,
    );
  }
  for (let i = 0; i < wanted; i++) {
    if (cells[i] === 0 || cells[i] === 1) continue;
    throw new FoveaError(
      'bad-argument',
      `${said} answered ${cells[i]} for cell ${i} of block ${block.index}; 0 or 1 is accepted`,
    );
  }
  return cells;
}

/**
 * Asks `masker` for a block's mask and checks the answer.
 * @param pool called only when the masker reads the pooled input
 * @throws FoveaError as `checkDecision` does
 */
export async function decideMask(
  masker: Masker,
  block: Block,
  shape: BlockShape,
  batch: number,
  granularity: number,
  pool: (grid: { rows: number; columns: number }) => Float32Array,
): Promise<Mask> {
  const grid = maskGrid(shape.outHeight, shape.outWidth, granularity);
  const pooled = masker.needsPool ? pool(grid) : new Float32Array(0);
  const decision = await masker.decide({ block, shape, granularity, batch, ...grid, pooled });
  const { margins } = decision;
  const cells = checkDecision(decision, masker, block, batch * grid.rows * grid.columns);
  return {
    block: block.index,
    granularity,
    batch,
    ...grid,
    height: shape.outHeight,
    width: shape.outWidth,
    cells: Uint8Array.from(cells),
    ...(margins ? { margins } : {}),
  };
}
