import { expectArgument } from '../arguments/expect.js';
import { aCount, aNumber, anObject, someBytes } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';

/** Cells of a mask's grid. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/**
 * The grid of a block whose output map is `height` x `width`, at granularity S:
 * `max(1, floor(height / S))` by `max(1, floor(width / S))` (LASNet's rule, per axis).
 * S of at least the larger side gives one cell: the whole block is kept or skipped.
 *
 * @throws FoveaError `bad-argument` when S is not a number of at least 1
 *
 * @example
 * ```ts
 * import { maskGrid } from '@fovea/engine/backend';
 *
 * console.log(maskGrid(56, 56, 4)); // { rows: 14, columns: 14 }
 * ```
 */
export function maskGrid(height: number, width: number, granularity: number): Grid {
  expectArgument(height, aCount, 'maskGrid: height');
  expectArgument(width, aCount, 'maskGrid: width');
  expectArgument(granularity, aNumber, 'granularity S =');
  if (!(granularity >= 1)) {
    throw new FoveaError(
      'bad-argument',
      `granularity S = ${granularity}: a number of at least 1 is accepted`,
    );
  }
  return {
    rows: Math.max(1, Math.floor(height / granularity)),
    columns: Math.max(1, Math.floor(width / granularity)),
  };
}

/** The cell that pixel `position` of `size` belongs to, of `cells` along that axis. */
export function cellOf(position: number, size: number, cells: number): number {
  return Math.floor((position * cells) / size);
}

/** First pixel of `cell` along an axis; `cellStart(cell + 1, …)` is one past its last. */
export function cellStart(cell: number, size: number, cells: number): number {
  return Math.ceil((cell * size) / cells);
}

/** A mask spread over the pixels of its map: `batch · height · width` values, 1 for active. */
export function spreadCells(
  cells: Uint8Array,
  grid: Grid,
  batch: number,
  height: number,
  width: number,
): Uint8Array {
  const { rows, columns } = expectArgument(grid, anObject, 'spreadCells: grid');
  expectArgument(cells, someBytes, 'spreadCells: cells');
  for (const [name, extent] of Object.entries({ rows, columns, batch, height, width }))
    expectArgument(extent, aCount, `spreadCells: ${name}`);
  if (cells.length !== batch * rows * columns)
    throw new FoveaError(
      'bad-shape',
      `spreadCells: ${cells.length} cells; ${batch} x ${rows} x ${columns} are accepted`,
    );
  const pixels = new Uint8Array(batch * height * width);
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < height; y++) {
      const cellRow = (n * rows + cellOf(y, height, rows)) * columns;
      const row = (n * height + y) * width;
      for (let x = 0; x < width; x++) pixels[row + x] = cells[cellRow + cellOf(x, width, columns)] as number;
    }
  }
  return pixels;
}

/** Fraction of values that are 1; 0 for an empty list. */
export function activeFraction(pixels: Uint8Array): number {
  expectArgument(pixels, someBytes, 'activeFraction: pixels');
  let active = 0;
  for (const pixel of pixels) active += pixel;
  return pixels.length === 0 ? 0 : active / pixels.length;
}
