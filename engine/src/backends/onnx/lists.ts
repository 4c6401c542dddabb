import { cellOf, cellStart } from '../../mask/geometry.js';
import type { Convolution } from '../../network/network.js';
import type { ProgramRegion } from '../../program/program.js';
import type { Shape } from '../../tensor.js';
import type { DecidedMasks } from '../decided-masks.js';

/** Shape and values of one input; integers are int64. */
export interface Feed {
  readonly dims: readonly number[];
  readonly values: BigInt64Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
}

/** An index list or a matrix that a graph reads, made for the masks of each run. */
export type ListRecipe = (masks: DecidedMasks) => Feed;

/** Numbers of a region's pixels on the whole map, in order, as a column: it serves both to gather and to scatter. */
export function pixelColumn(region: ProgramRegion): ListRecipe {
  return (masks) => {
    const rows = masks.listed(region);
    return { dims: [rows.length, 1], values: asInt64(rows) };
  };
}

/** Where the pixels of a region lie among the packed rows of another, which has them all. */
export function pixelsAmong(region: ProgramRegion, packed: ProgramRegion): ListRecipe {
  return (masks) => {
    const { numbers } = rowNumbers(masks, packed);
    return listFeed(masks.listed(region).map((pixel) => numbers[pixel]!));
  };
}

/** The image that each pixel of a region belongs to. */
export function imageOfPixels(region: ProgramRegion): ListRecipe {
  const plane = region.height * region.width;
  return (masks) => listFeed(masks.listed(region).map((pixel) => Math.floor(pixel / plane)));
}

/** The rows of one image among a region's packed rows; the row behind the last where there is none. */
export function pixelsOfImage(region: ProgramRegion, image: number): ListRecipe {
  const plane = region.height * region.width;
  return (masks) => {
    const pixels = masks.listed(region);
    const rows = [...pixels.keys()].filter((row) => Math.floor(pixels[row]! / plane) === image);
    return listFeed(Int32Array.from(rows.length > 0 ? rows : [pixels.length]));
  };
}

/** `[batch, pixels]` weights that turn a region's rows into each image's mean. */
export function meanWeights(region: ProgramRegion): ListRecipe {
  return imageWeights(region, (count) => 1 / count);
}

/** `[batch, pixels]` weights that turn a region's rows into each image's sum. */
export function sumWeights(region: ProgramRegion): ListRecipe {
  return imageWeights(region, () => 1);
}

/** @param weight of each of an image's pixels, of which there are so many */
function imageWeights(region: ProgramRegion, weight: (count: number) => number): ListRecipe {
  const plane = region.height * region.width;
  const { batch } = region.mask;
  return (masks) => {
    const pixels = masks.listed(region);
    const counts = new Float64Array(batch);
    for (const pixel of pixels) counts[Math.floor(pixel / plane)]!++;
    const values = new Float32Array(batch * pixels.length);
    pixels.forEach((pixel, i) => {
      const image = Math.floor(pixel / plane);
      values[image * pixels.length + i] = weight(counts[image]!);
    });
    return { dims: [batch, pixels.length], values };
  };
}

/**
 * For each pixel of a region the rows of its window in the source.
 * @param packed where the source holds values, its rows packed; undefined when it is a whole map. A row of zeros stands behind its
 *   last one, for pixels outside the image
 */
export function windowTaps(
  region: ProgramRegion,
  { kernel, stride, padding, dilation }: Convolution,
  source: Shape,
  packed: ProgramRegion | undefined,
): ListRecipe {
  const [, height, width] = source;
  return (masks) => {
    const rows = masks.listed(region);
    const { numbers, zeros } = sourceRows(masks, source, packed);
    const list = new Int32Array(rows.length * kernel[0] * kernel[1]);
    const plane = region.height * region.width;
    let filled = 0;
    for (const row of rows) {
      const n = Math.floor(row / plane);
      const y = Math.floor((row % plane) / region.width);
      const x = row % region.width;
      for (let ky = 0; ky < kernel[0]; ky++) {
        const sourceY = y * stride[0] - padding[0] + ky * dilation[0];
        for (let kx = 0; kx < kernel[1]; kx++) {
          const sourceX = x * stride[1] - padding[1] + kx * dilation[1];
          const inside = sourceY >= 0 && sourceY < height && sourceX >= 0 && sourceX < width;
          list[filled++] = inside ? numbers[(n * height + sourceY) * width + sourceX]! : zeros;
        }
      }
    }
    return listFeed(list);
  };
}

/** Input pixels that a tile reads along one axis. */
export function patchExtent({ kernel, stride, dilation }: Convolution, tile: number, axis: 0 | 1): number {
  return (tile - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1;
}

/** Height and width of the largest cell of a region's mask: every active cell is computed as a map of this size. */
export function tileOf({ mask }: ProgramRegion): readonly [height: number, width: number] {
  return [Math.ceil(mask.height / mask.rows), Math.ceil(mask.width / mask.columns)];
}

/** For each active cell the rows of what a convolution reads for a tile: see `windowTaps` for the source. */
export function cellPatches(
  region: ProgramRegion,
  convolution: Convolution,
  source: Shape,
  packed: ProgramRegion | undefined,
): ListRecipe {
  const { stride, padding } = convolution;
  const [tileHeight, tileWidth] = tileOf(region);
  const patchHeight = patchExtent(convolution, tileHeight, 0);
  const patchWidth = patchExtent(convolution, tileWidth, 1);
  const [, sourceHeight, sourceWidth] = source;
  return (masks) => {
    const { cells, rows, columns, height, width } = masks.mask(region.mask);
    const { numbers, zeros } = sourceRows(masks, source, packed);
    const tiles = cells.reduce((sum, cell) => sum + cell, 0);
    const patches = new Int32Array(tiles * patchHeight * patchWidth);
    let filled = 0;
    for (let cell = 0; cell < cells.length; cell++) {
      if (!cells[cell]) continue;
      const n = Math.floor(cell / (rows * columns));
      const cellRow = Math.floor(cell / columns) % rows;
      const top = cellStart(cellRow, height, rows) * stride[0] - padding[0];
      const left = cellStart(cell % columns, width, columns) * stride[1] - padding[1];
      for (let y = top; y < top + patchHeight; y++) {
        for (let x = left; x < left + patchWidth; x++) {
          const inside = y >= 0 && y < sourceHeight && x >= 0 && x < sourceWidth;
          patches[filled++] = inside ? numbers[(n * sourceHeight + y) * sourceWidth + x]! : zeros;
        }
      }
    }
    return listFeed(patches);
  };
}

/** Where each pixel of a region lies among the pixels of all tiles: see `cellPatches`. */
export function pixelsOfTiles(region: ProgramRegion): ListRecipe {
  const [tileHeight, tileWidth] = tileOf(region);
  return (masks) => {
    const { cells, rows, columns, height, width } = masks.mask(region.mask);
    let tile = 0;
    const tileOfCell = Int32Array.from(cells, (cell) => (cell ? tile++ : -1));
    const plane = height * width;
    return listFeed(
      masks.listed(region).map((pixel) => {
        const n = Math.floor(pixel / plane);
        const y = Math.floor((pixel % plane) / width);
        const x = pixel % width;
        const [cellRow, cellColumn] = [cellOf(y, height, rows), cellOf(x, width, columns)];
        const dy = y - cellStart(cellRow, height, rows);
        const dx = x - cellStart(cellColumn, width, columns);
        const owner = tileOfCell[(n * rows + cellRow) * columns + cellColumn]!;
        return (owner * tileHeight + dy) * tileWidth + dx;
      }),
    );
  };
}

interface RowNumbers {
  /** By pixel of the whole map. */
  readonly numbers: Int32Array;
  /** Where the row of zeros lies. */
  readonly zeros: number;
}

/** Index of each pixel of a map among the packed rows of a region; other pixels have that of the row of zeros. */
function rowNumbers(masks: DecidedMasks, packed: ProgramRegion): RowNumbers {
  const zeros = masks.counts[packed.id]!;
  const numbers = new Int32Array(packed.pixels).fill(zeros);
  masks.listed(packed).forEach((pixel, row) => {
    numbers[pixel] = row;
  });
  return { numbers, zeros };
}

function sourceRows(masks: DecidedMasks, [N, H, W]: Shape, packed: ProgramRegion | undefined): RowNumbers {
  if (packed) return rowNumbers(masks, packed);
  const count = N * H * W;
  const numbers = new Int32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i;
  return { numbers, zeros: count };
}

function listFeed(list: Int32Array): Feed {
  return { dims: [list.length], values: asInt64(list) };
}

/** Row numbers are never negative, so the low words of little-endian int64 values can be written directly. */
function asInt64(list: Int32Array): BigInt64Array<ArrayBuffer> {
  const words = new Int32Array(list.length * 2);
  for (let i = 0; i < list.length; i++) words[2 * i] = list[i]!;
  return new BigInt64Array(words.buffer);
}
