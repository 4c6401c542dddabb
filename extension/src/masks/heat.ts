import type { MasksBlock } from '../documents/types';
import { cellOf } from './geometry';

/** How many blocks ran at each pixel of the image. */
export interface Heat {
  readonly width: number;
  readonly height: number;
  /** `height · width` counts, row by row. */
  readonly counts: Uint16Array;
  /** Number of blocks, so the largest count that is possible. */
  readonly blocks: number;
  /** Mean count over the pixels. */
  readonly mean: number;
}

/** Larger images are counted on a coarser raster: beyond this no cell edge would move by a visible amount. */
const LARGEST_SIDE = 512;

/**
 * Counts, for every pixel of an image of `width` by `height`, the blocks whose mask is active there. A pixel's
 * centre decides which cell it falls into.
 */
export function computeHeat(blocks: readonly MasksBlock[], width: number, height: number): Heat {
  const scale = Math.min(1, LARGEST_SIDE / Math.max(width, height));
  const w = Math.max(1, Math.round(width * scale));
  const h = Math.max(1, Math.round(height * scale));
  const counts = new Uint16Array(w * h);
  for (const block of blocks) {
    const columnOf = Array.from({ length: w }, (_, x) =>
      cellOf(Math.floor(((x + 0.5) * block.width) / w), block.columns, block.width),
    );
    for (let y = 0; y < h; y++) {
      const row = cellOf(Math.floor(((y + 0.5) * block.height) / h), block.rows, block.height);
      const from = row * block.columns;
      for (let x = 0; x < w; x++) {
        if (block.cells.charCodeAt(from + columnOf[x]!) === 49) counts[y * w + x]! += 1;
      }
    }
  }
  let sum = 0;
  for (const count of counts) sum += count;
  return { width: w, height: h, counts, blocks: blocks.length, mean: sum / counts.length };
}
