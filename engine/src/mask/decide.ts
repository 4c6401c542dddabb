import { FoveaError } from '../errors.js';
import type { Block } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import { maskGrid } from './geometry.js';
import type { Mask, Masker } from './mask.js';

/**
 * Asks `masker` for a block's mask and checks the answer.
 * @param pool called only when the masker reads the pooled input
 * @throws FoveaError `bad-shape` when the masker answers with the wrong number of cells
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
  const { cells, margins } = await masker.decide({ block, shape, granularity, batch, ...grid, pooled });
  const wanted = batch * grid.rows * grid.columns;
  if (cells.length !== wanted || (margins && margins.length !== wanted)) {
    throw new FoveaError(
      'bad-shape',
      `masker "${masker.description}" answered ${cells.length} cells for block ${block.index}; ${wanted} are needed`,
    );
  }
  return {
    block: block.index,
    granularity,
    batch,
    ...grid,
    height: shape.outHeight,
    width: shape.outWidth,
    cells: cells.slice(),
    ...(margins ? { margins } : {}),
  };
}
