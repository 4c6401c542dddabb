import type { Convolve } from '../../program/program.js';
import { largestCell } from './halo.js';
import { NONE } from './kernel.js';
import { type Workgroups, workgroupsFor } from './launch.js';
import type { Lists } from './lists.js';

/** A grid whose cells are divided into squares of pixels, one for each workgroup. */
export interface Squares {
  readonly rows: number;
  readonly columns: number;
  /** Where the cells of a mask stand; NONE when all are active. */
  readonly cells: number;
  /** Where the region's pixels have their places in packed rows. */
  readonly positions: number;
}

/** Squares inside the cells of a convolution's mask, or of a whole map. */
export function squaresOf({ destination, region }: Convolve, side: number, lists: Lists): Squares {
  if (!region) {
    const [, height, width] = destination.shape;
    return {
      ...{ rows: Math.ceil(height / side), columns: Math.ceil(width / side) },
      ...{ cells: NONE, positions: NONE },
    };
  }
  const { id, rows, columns } = region.mask;
  return { rows, columns, cells: lists.firstCell[id]!, positions: lists.of(region).positions };
}

/** Squares of a whole map, in cells as large as those of a convolution's mask: what can be timed without a mask. */
export function plainSquares({ region }: Convolve, { destination }: Convolve, side: number): Squares {
  const [, height, width] = destination.shape;
  const { mask } = region ?? {};
  const along = (cells: number | undefined, size: number, pixels: number) =>
    cells === undefined ? Math.ceil(size / side) : Math.max(1, Math.round((cells * size) / pixels));
  return {
    rows: along(mask?.rows, height, mask?.height ?? height),
    columns: along(mask?.columns, width, mask?.width ?? width),
    ...{ cells: NONE, positions: NONE },
  };
}

/** True when a convolution's result can be computed square by square: everywhere, or at the pixels of a mask itself. */
export function hasSquares({ region, others, destination }: Convolve): boolean {
  const { layout } = destination;
  return !others && !region?.reads && (layout.kind !== 'packed' || layout.region === region);
}

/** Parameters of a kernel that computes squares, besides those of its convolutions, and its workgroups. */
export function squareLaunch(
  { rows, columns, cells, positions }: Squares,
  { destination }: Convolve,
  side: number,
  y = 1,
): { readonly parameters: Readonly<Record<string, number>>; readonly workgroups: Workgroups } {
  const [N, toHeight, toWidth] = destination.shape;
  const down = Math.ceil(largestCell(toHeight, rows) / side);
  const across = Math.ceil(largestCell(toWidth, columns) / side);
  const count = N * rows * columns * down * across;
  return {
    parameters: {
      ...{ rows: count, gridRows: rows, gridColumns: columns },
      ...{ toHeight, toWidth, down, across, cells, positions },
    },
    workgroups: workgroupsFor({ count }, 1, 1, y),
  };
}
