import { LRUCache } from 'lru-cache';
import type { Block } from '../network/network.js';
import { type BlockShape, inputOf, paddingOn, type Reach } from '../network/shapes.js';
import { cellOf, maskGrid } from './geometry.js';

/** A convolution's geometry along one axis. */
interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  /** Output extent. */
  readonly size: number;
}

/** `[number of cells read from, how many positions]` along one axis, for every convolution of a branch. */
type Readers = readonly (readonly (readonly [cells: number, positions: number])[])[];

/** Readers of single positions along an axis, and of pairs of them (0 and 1, 2 and 3, …). */
interface AxisReaders {
  readonly single: Readers;
  readonly pairs: Readers;
}

/** Axes whose readers are kept: a network has some dozens at each granularity. */
const KEPT_AXES = 2048;
const readersKnown = new LRUCache<string, AxisReaders>({ max: KEPT_AXES });

/**
 * For each position along an axis of each convolution's output: how many of `cells` mask cells depend on it.
 * Kernels are rectangles, so a pixel serves (cells along its row) x (cells along its column).
 */
function readersAlong(axes: readonly Axis[], cells: number): AxisReaders {
  const key = `${cells} ${axes.map(({ kernel, stride, padding, dilation, size }) => `${kernel},${stride},${padding},${dilation},${size}`).join(' ')}`;
  const known = readersKnown.get(key);
  if (known) return known;
  const last = axes[axes.length - 1]!.size;
  let spans: [first: number, last: number][] = Array.from({ length: last }, (_, i) => {
    const cell = cellOf(i, last, cells);
    return [cell, cell];
  });
  const single: (readonly (readonly [number, number])[])[] = new Array(axes.length);
  const pairs: (readonly (readonly [number, number])[])[] = new Array(axes.length);
  const keep = (layer: number) => {
    single[layer] = histogram(spans);
    pairs[layer] = histogram(pairsOf(spans));
  };
  keep(axes.length - 1);
  for (let layer = axes.length - 1; layer >= 1; layer--) {
    const { kernel, stride, padding, dilation } = axes[layer]!;
    const size = axes[layer - 1]!.size;
    const before: [number, number][] = Array.from({ length: size }, () => [cells, -1]);
    spans.forEach(([low, high], i) => {
      for (let k = 0; k < kernel; k++) {
        const source = before[i * stride - padding + k * dilation];
        if (!source) continue;
        source[0] = Math.min(source[0], low);
        source[1] = Math.max(source[1], high);
      }
    });
    spans = before;
    keep(layer - 1);
  }
  const readers = { single, pairs };
  readersKnown.set(key, readers);
  return readers;
}

/** Cells that either of two neighbouring positions serves; an empty span has its last cell before its first. */
function pairsOf(spans: readonly [number, number][]): [number, number][] {
  return Array.from({ length: Math.ceil(spans.length / 2) }, (_, i) => {
    const [low, high] = spans[2 * i]!;
    const [otherLow, otherHigh] = spans[2 * i + 1] ?? spans[2 * i]!;
    return [Math.min(low, otherLow), Math.max(high, otherHigh)];
  });
}

function histogram(spans: readonly (readonly [number, number])[]): [number, number][] {
  const bins = new Map<number, number>();
  for (const [low, high] of spans) {
    const cells = Math.max(0, high - low + 1);
    bins.set(cells, (bins.get(cells) ?? 0) + 1);
  }
  return [...bins];
}

function axesOf(block: Block, shape: BlockShape, axis: 0 | 1): Axis[] {
  return block.branch.flatMap((convolution, i) => {
    const { height, width } = inputOf(shape, i);
    const along = (window: Reach) => ({
      kernel: window.kernel[axis],
      stride: window.stride[axis],
      padding: paddingOn(window, height, width)[axis]!,
      dilation: window.dilation[axis],
      size: axis === 0 ? shape.branch[i]!.height : shape.branch[i]!.width,
    });
    const spatial = spatialAfter(block, i);
    return [along(convolution), ...(spatial ? [along(spatial)] : [])];
  });
}

/** The convolution of a spatial attention behind a layer, which reads around pixels as any other does. */
function spatialAfter({ attention }: Block, layer: number): Reach | undefined {
  return attention?.after === layer ? attention.spatial : undefined;
}

/** Where a layer stands among all windows of a branch. */
function placeOf({ attention }: Block, layer: number): number {
  return layer + (attention?.spatial && layer > attention.after ? 1 : 0);
}

const readersOfShape = new WeakMap<
  BlockShape,
  Map<number, { readonly down: AxisReaders; readonly across: AxisReaders }>
>();

/** Readers of every pixel of a block's maps, cached because a search needs them at many rates. */
function readersOf(block: Block, shape: BlockShape, granularity: number) {
  let known = readersOfShape.get(shape);
  if (!known) {
    known = new Map();
    readersOfShape.set(shape, known);
  }
  let readers = known.get(granularity);
  if (!readers) {
    const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, granularity);
    readers = {
      down: readersAlong(axesOf(block, shape, 0), rows),
      across: readersAlong(axesOf(block, shape, 1), columns),
    };
    known.set(granularity, readers);
  }
  return readers;
}

/**
 * Expected fraction of each branch convolution's output that is needed when every cell is active independently
 * with probability `rate`: the mean over pixels of 1 − (1 − r)^k, where k cells depend on the pixel.
 *
 * @param granularity S; `Infinity` is the whole map
 * @param rate activation rate, 0…1
 * @returns one value per convolution, 0…1, each monotone in `rate`; the last is `rate` unless attention reads around it
 */
export function expectedBranchRates(
  block: Block,
  shape: BlockShape,
  granularity: number,
  rate: number,
): number[] {
  const { down, across } = readersOf(block, shape, granularity);
  return block.branch.map((_, i) => {
    if (i === block.branch.length - 1 && !spatialAfter(block, i)) return rate;
    const { height, width } = shape.branch[i]!;
    const place = placeOf(block, i);
    return Math.min(1, expectedCount(down.single[place]!, across.single[place]!, rate) / (height * width));
  });
}

/** The same of the pixels whose scales a spatial attention makes; undefined without one. */
export function expectedAttendedRate(
  block: Block,
  shape: BlockShape,
  granularity: number,
  rate: number,
): number | undefined {
  const { attention, branch } = block;
  if (!attention?.spatial) return undefined;
  if (attention.after === branch.length - 1) return rate;
  const { down, across } = readersOf(block, shape, granularity);
  const { height, width } = shape.branch[attention.after]!;
  const place = attention.after + 1;
  return Math.min(1, expectedCount(down.single[place]!, across.single[place]!, rate) / (height * width));
}

/** Sum over all pairs of positions of 1 − (1 − r)^(cells down · cells across). */
function expectedCount(down: Readers[number], across: Readers[number], rate: number): number {
  let expected = 0;
  for (const [a, rows] of down) {
    for (const [b, columns] of across) expected += rows * columns * (1 - (1 - rate) ** (a * b));
  }
  return expected;
}

/**
 * Expected number of squares of 2 x 2 output pixels, aligned to even rows and columns, of which at least one
 * pixel is computed: what Winograd's algorithm works on, one image.
 *
 * @param granularity S; `Infinity` is the whole map
 * @param rate activation rate, 0…1
 * @returns one count per convolution of the branch, each monotone in `rate`
 */
export function expectedSquares(
  block: Block,
  shape: BlockShape,
  granularity: number,
  rate: number,
): number[] {
  const { down, across } = readersOf(block, shape, granularity);
  return block.branch.map((_, i) => {
    const place = placeOf(block, i);
    return expectedCount(down.pairs[place]!, across.pairs[place]!, rate);
  });
}

/**
 * Expected fraction of conv1's output that lies inside the dilated mask: see `expectedBranchRates`.
 * @returns 0…1; not below `rate` for stride 1, monotone in `rate`
 */
export function expectedDilatedRate(
  block: Block,
  shape: BlockShape,
  granularity: number,
  rate: number,
): number {
  return expectedBranchRates(block, shape, granularity, rate)[0]!;
}
