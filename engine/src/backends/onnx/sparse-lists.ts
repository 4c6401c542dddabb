import { cellOf, cellStart } from '../../mask/geometry.js';
import type { Mask } from '../../mask/mask.js';
import { excitationRegion, type Region } from '../../mask/regions.js';
import type { Block, Convolution } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import { patchExtent, type SparseForm } from './sparse-shape.js';

interface Size {
  readonly height: number;
  readonly width: number;
}

/** Shape and values of one input; integers are int64. */
export interface Feed {
  readonly dims: readonly number[];
  readonly values: BigInt64Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
}

/** Index lists and weights that the graph of an adaptive block reads, by input name. */
export interface SparseLists {
  readonly feeds: ReadonlyMap<string, Feed>;
  /** Output pixels that each layer really computes, tiles' unused corners included. */
  readonly pixels: readonly number[];
}

/**
 * Makes the index lists of one run.
 * @param regions where each layer is needed; layers whose form is `dense` run everywhere all the same
 * @param active `batch · outHeight · outWidth` values, at least one of them 1
 */
export function sparseLists(
  block: Block,
  shape: BlockShape,
  mask: Mask,
  form: SparseForm,
  regions: readonly Region[],
  active: Uint8Array,
): SparseLists {
  const { batch } = mask;
  const feeds = new Map<string, Feed>();
  const put = (name: string, list: Int32Array, dims: readonly number[] = [list.length]) =>
    feeds.set(name, { dims, values: asInt64(list) });
  const pixels: number[] = [];
  let source: Size = { height: shape.inHeight, width: shape.inWidth };
  let sourceRegion: Region = 'all';
  block.branch.forEach((convolution, i) => {
    const size = shape.branch[i]!;
    const region = form.layers[i] === 'dense' ? 'all' : regions[i]!;
    const rows = rowsOf(region, batch, size);
    pixels.push(rows.length);
    switch (form.layers[i]!) {
      case 'picked':
        put(`rows.${i}`, rows);
        break;
      case 'taps':
        put(`taps.${i}`, tapList(convolution, rows, size, rowNumbers(sourceRegion, batch, source), source));
        break;
      case 'tiles': {
        const numbers = rowNumbers(sourceRegion, batch, source);
        const { patches, kept, tiles } = tileLists(convolution, mask, form.tile, rows, numbers, source);
        put(`patches.${i}`, patches);
        put(`kept.${i}`, kept);
        pixels[i] = tiles * form.tile[0] * form.tile[1];
        break;
      }
    }
    if (block.squeezeExcitation?.after === i && form.excitation === 'active') {
      const pooled = excitationRegion(block, shape, active, batch, 'active');
      excitationFeeds(feeds, put, pooled, rows, batch, size);
    }
    source = size;
    sourceRegion = region;
  });
  const list = rowsOf(active, batch, { height: shape.outHeight, width: shape.outWidth });
  put('active', list, [list.length, 1]);
  return { feeds, pixels };
}

/** Row numbers of the pixels of a region, in order. */
function rowsOf(region: Region, batch: number, { height, width }: Size): Int32Array {
  const count = batch * height * width;
  if (region === 'all') return Int32Array.from({ length: count }, (_, i) => i);
  const rows = new Int32Array(region.reduce((sum, pixel) => sum + pixel, 0));
  let filled = 0;
  for (let i = 0; i < count; i++) if (region[i]) rows[filled++] = i;
  return rows;
}

/** Where each pixel of a map lies among the packed rows; pixels that are not there lie at the row of zeros. */
function rowNumbers(
  region: Region,
  batch: number,
  { height, width }: Size,
): { numbers: Int32Array; zeros: number } {
  const count = batch * height * width;
  const numbers = new Int32Array(count);
  if (region === 'all') {
    for (let i = 0; i < count; i++) numbers[i] = i;
    return { numbers, zeros: count };
  }
  let filled = 0;
  for (let i = 0; i < count; i++) numbers[i] = region[i] ? filled++ : -1;
  for (let i = 0; i < count; i++) if (numbers[i] === -1) numbers[i] = filled;
  return { numbers, zeros: filled };
}

/** For each output pixel of `rows` the packed rows of its window. */
function tapList(
  { kernel, stride, padding, dilation }: Convolution,
  rows: Int32Array,
  size: Size,
  { numbers, zeros }: { numbers: Int32Array; zeros: number },
  source: Size,
): Int32Array {
  const list = new Int32Array(rows.length * kernel[0] * kernel[1]);
  const plane = size.height * size.width;
  let filled = 0;
  for (const row of rows) {
    const n = Math.floor(row / plane);
    const y = Math.floor((row % plane) / size.width);
    const x = row % size.width;
    for (let ky = 0; ky < kernel[0]; ky++) {
      const sourceY = y * stride[0] - padding[0] + ky * dilation[0];
      for (let kx = 0; kx < kernel[1]; kx++) {
        const sourceX = x * stride[1] - padding[1] + kx * dilation[1];
        const inside = sourceY >= 0 && sourceY < source.height && sourceX >= 0 && sourceX < source.width;
        list[filled++] = inside ? numbers[(n * source.height + sourceY) * source.width + sourceX]! : zeros;
      }
    }
  }
  return list;
}

/** For each active cell the packed rows of its patch, and where each active pixel lies in the result. */
function tileLists(
  convolution: Convolution,
  mask: Mask,
  [tileHeight, tileWidth]: readonly [number, number],
  rows: Int32Array,
  { numbers, zeros }: { numbers: Int32Array; zeros: number },
  source: Size,
): { patches: Int32Array; kept: Int32Array; tiles: number } {
  const { stride, padding } = convolution;
  const { height, width } = mask;
  const patchHeight = patchExtent(convolution, tileHeight, 0);
  const patchWidth = patchExtent(convolution, tileWidth, 1);
  const tiles = mask.cells.reduce((sum, cell) => sum + cell, 0);
  const patches = new Int32Array(tiles * patchHeight * patchWidth);
  const tileOf = new Int32Array(mask.cells.length);
  let [tile, filled] = [0, 0];
  for (let cell = 0; cell < mask.cells.length; cell++) {
    if (!mask.cells[cell]) continue;
    tileOf[cell] = tile++;
    const n = Math.floor(cell / (mask.rows * mask.columns));
    const cellRow = Math.floor(cell / mask.columns) % mask.rows;
    const top = cellStart(cellRow, height, mask.rows) * stride[0] - padding[0];
    const left = cellStart(cell % mask.columns, width, mask.columns) * stride[1] - padding[1];
    for (let y = top; y < top + patchHeight; y++) {
      for (let x = left; x < left + patchWidth; x++) {
        const inside = y >= 0 && y < source.height && x >= 0 && x < source.width;
        patches[filled++] = inside ? numbers[(n * source.height + y) * source.width + x]! : zeros;
      }
    }
  }
  const kept = new Int32Array(rows.length);
  const plane = height * width;
  rows.forEach((row, i) => {
    const n = Math.floor(row / plane);
    const y = Math.floor((row % plane) / width);
    const x = row % width;
    const [cellRow, cellColumn] = [cellOf(y, height, mask.rows), cellOf(x, width, mask.columns)];
    const dy = y - cellStart(cellRow, height, mask.rows);
    const dx = x - cellStart(cellColumn, width, mask.columns);
    const owner = tileOf[(n * mask.rows + cellRow) * mask.columns + cellColumn]!;
    kept[i] = (owner * tileHeight + dy) * tileWidth + dx;
  });
  return { patches, kept, tiles };
}

/** Weights that turn rows into each image's mean over the pixels of `pooled`, and the image of each row. */
function excitationFeeds(
  feeds: Map<string, Feed>,
  put: (name: string, list: Int32Array) => void,
  pooled: Region,
  rows: Int32Array,
  batch: number,
  { height, width }: Size,
): void {
  const plane = height * width;
  const image = rows.map((row) => Math.floor(row / plane));
  const counts = new Float64Array(batch);
  const counted = (row: number) => pooled === 'all' || pooled[row] === 1;
  rows.forEach((row, i) => {
    if (counted(row)) counts[image[i]!]!++;
  });
  const weights = new Float32Array(batch * rows.length);
  rows.forEach((row, i) => {
    if (counted(row)) weights[image[i]! * rows.length + i] = 1 / counts[image[i]!]!;
  });
  feeds.set('mean', { dims: [batch, rows.length], values: weights });
  put('image', image);
}

/** Row numbers are never negative, so the low words of little-endian int64 values can be written directly. */
function asInt64(list: Int32Array): BigInt64Array<ArrayBuffer> {
  const words = new Int32Array(list.length * 2);
  for (let i = 0; i < list.length; i++) words[2 * i] = list[i]!;
  return new BigInt64Array(words.buffer);
}
