import type { MasksBlock } from '../documents/types';
import type { LiveState } from './protocol';

/** Cells across the longer side of a painted region; as fine as the first stage of an ImageNet network. */
const SIDE = 56;

/** A region painted on an image; its cells are 1 inside. */
export interface Region {
  readonly rows: number;
  readonly columns: number;
  readonly cells: Uint8Array;
}

/** Nothing painted yet, on an image of this shape. */
export function emptyRegion(width: number, height: number): Region {
  const scale = SIDE / Math.max(width, height, 1);
  const rows = Math.max(1, Math.round(height * scale));
  const columns = Math.max(1, Math.round(width * scale));
  return { rows, columns, cells: new Uint8Array(rows * columns) };
}

/** Reads the region of a state; where nothing is painted, or it is not sound, an empty one of the image's shape. */
export function readRegion(region: LiveState['region'], width: number, height: number): Region {
  const isSound = region && region.cells.length === region.rows * region.columns;
  if (!isSound || !region.cells.includes('1')) return emptyRegion(width, height);
  return {
    rows: region.rows,
    columns: region.columns,
    cells: Uint8Array.from(region.cells, (cell) => (cell === '1' ? 1 : 0)),
  };
}

/** The region as the protocol carries it. */
export function writeRegion({ rows, columns, cells }: Region): NonNullable<LiveState['region']> {
  return { rows, columns, cells: Array.from(cells, String).join('') };
}

/** Fraction of the image inside the region. */
export function coverage({ cells }: Region): number {
  let inside = 0;
  for (const cell of cells) inside += cell;
  return inside / cells.length;
}

/** A point of the image as fractions 0…1 of its width and height. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * Paints along a line with a round brush: every cell whose centre is within `radius` (a fraction of the longer
 * side) of the line, and the cells below both ends however small the brush.
 *
 * @returns a new region; the one given is left alone.
 */
export function brush(region: Region, from: Point, to: Point, radius: number, erase = false): Region {
  const { rows, columns } = region;
  const cells = region.cells.slice();
  const value = erase ? 0 : 1;
  const reach = radius * Math.max(rows, columns);
  const [ax, ay] = [from.x * columns, from.y * rows];
  const [bx, by] = [to.x * columns, to.y * rows];
  const [dx, dy] = [bx - ax, by - ay];
  const lengthSquared = dx * dx + dy * dy;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [px, py] = [column + 0.5 - ax, row + 0.5 - ay];
      const along = lengthSquared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / lengthSquared));
      if (Math.hypot(px - along * dx, py - along * dy) <= reach) cells[row * columns + column] = value;
    }
  }
  for (const { x, y } of [from, to]) {
    const row = Math.floor(y * rows);
    const column = Math.floor(x * columns);
    if (row >= 0 && row < rows && column >= 0 && column < columns) cells[row * columns + column] = value;
  }
  return { rows, columns, cells };
}

/** The region in the form that the overlay draws. */
export function regionBlock(region: Region): MasksBlock {
  return {
    index: 0,
    name: 'painted region',
    stage: 0,
    granularity: 1,
    rate: coverage(region),
    height: region.rows,
    width: region.columns,
    ...writeRegion(region),
  };
}
