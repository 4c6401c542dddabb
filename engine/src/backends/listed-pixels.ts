import { cellStart } from '../mask/geometry.js';
import type { Mask } from '../mask/mask.js';

/** Numbers of the pixels that are 1, in raster order. */
export function listPixels(pixels: Uint8Array): Int32Array<ArrayBuffer> {
  let count = 0;
  for (const pixel of pixels) count += pixel;
  const listed = new Int32Array(count);
  let filled = 0;
  for (let i = 0; i < pixels.length; i++) if (pixels[i]) listed[filled++] = i;
  return listed;
}

/**
 * Numbers of the pixels of a mask's active cells on the whole map: image by image, cell by cell, and in each cell in
 * raster order.
 * @param order the cells of one image, each once
 */
export function listCells(
  mask: Pick<Mask, 'batch' | 'rows' | 'columns' | 'height' | 'width' | 'cells'>,
  order: readonly number[],
): Int32Array<ArrayBuffer> {
  const { batch, rows, columns, height, width, cells } = mask;
  const listed: number[] = [];
  for (let n = 0; n < batch; n++) {
    for (const cell of order) {
      if (!cells[n * order.length + cell]) continue;
      const [row, column] = [Math.floor(cell / columns), cell % columns];
      for (let y = cellStart(row, height, rows); y < cellStart(row + 1, height, rows); y++)
        for (let x = cellStart(column, width, columns); x < cellStart(column + 1, width, columns); x++)
          listed.push((n * height + y) * width + x);
    }
  }
  return Int32Array.from(listed);
}
