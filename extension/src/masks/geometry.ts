import type { MasksBlock } from '../documents/types';

/** The cell that pixel `pixel` of a map of `extent` pixels belongs to: `floor(pixel · cells / extent)`. */
export function cellOf(pixel: number, cells: number, extent: number): number {
  return Math.min(cells - 1, Math.max(0, Math.floor((pixel * cells) / extent)));
}

/** First map pixel of every cell, and the extent: `cells + 1` numbers, the inverse of `cellOf`. */
export function cellStarts(cells: number, extent: number): number[] {
  return Array.from({ length: cells + 1 }, (_, cell) => Math.ceil((cell * extent) / cells));
}

/** The same boundaries on a drawing of `size` whole pixels, so that neighbouring cells meet without a seam. */
export function cellEdges(cells: number, extent: number, size: number): number[] {
  return cellStarts(cells, extent).map((start) => Math.round((start * size) / extent));
}

/** A rectangle on the drawing, `[left, top, right, bottom)`. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Rectangles of all cells of one state, merged along each row. */
export function runs(block: MasksBlock, state: '0' | '1', width: number, height: number): Rectangle[] {
  const x = cellEdges(block.columns, block.width, width);
  const y = cellEdges(block.rows, block.height, height);
  const found: Rectangle[] = [];
  for (let row = 0; row < block.rows; row++) {
    let start = -1;
    for (let column = 0; column <= block.columns; column++) {
      const inside = column < block.columns && block.cells[row * block.columns + column] === state;
      if (inside && start < 0) start = column;
      if (!inside && start >= 0) {
        found.push({ left: x[start]!, top: y[row]!, right: x[column]!, bottom: y[row + 1]! });
        start = -1;
      }
    }
  }
  return found;
}

/** Segments between an active and an inactive cell: the outline of the active region. */
export function outline(block: MasksBlock, width: number, height: number): Rectangle[] {
  const x = cellEdges(block.columns, block.width, width);
  const y = cellEdges(block.rows, block.height, height);
  const active = (row: number, column: number) => block.cells[row * block.columns + column] === '1';
  const found: Rectangle[] = [];
  for (let row = 0; row < block.rows; row++) {
    for (let column = 0; column < block.columns; column++) {
      if (column > 0 && active(row, column) !== active(row, column - 1)) {
        found.push({ left: x[column]!, top: y[row]!, right: x[column]!, bottom: y[row + 1]! });
      }
      if (row > 0 && active(row, column) !== active(row - 1, column)) {
        found.push({ left: x[column]!, top: y[row]!, right: x[column + 1]!, bottom: y[row]! });
      }
    }
  }
  return found;
}

/** Fraction of a block's pixels in active cells, 0…1. */
export function activeShare(
  block: Pick<MasksBlock, 'rows' | 'columns' | 'height' | 'width' | 'cells'>,
): number {
  const y = cellStarts(block.rows, block.height);
  const x = cellStarts(block.columns, block.width);
  let active = 0;
  for (let row = 0; row < block.rows; row++) {
    for (let column = 0; column < block.columns; column++) {
      if (block.cells[row * block.columns + column] !== '1') continue;
      active += (y[row + 1]! - y[row]!) * (x[column + 1]! - x[column]!);
    }
  }
  return active / (block.height * block.width);
}

/** A cell and what is known of it. */
export interface Cell {
  readonly row: number;
  readonly column: number;
  readonly active: boolean;
  /** Pixels of the block's output map that it covers, `[first, last]`. */
  readonly y: readonly [number, number];
  readonly x: readonly [number, number];
  /** Logit margin (compute − skip), where the document has one. */
  readonly margin?: number;
}

/** The cell at a row and column. */
export function cellAt(block: MasksBlock, row: number, column: number): Cell {
  const y = cellStarts(block.rows, block.height);
  const x = cellStarts(block.columns, block.width);
  const index = row * block.columns + column;
  const margins = block.margins;
  return {
    row,
    column,
    active: block.cells[index] === '1',
    y: [y[row]!, y[row + 1]! - 1],
    x: [x[column]!, x[column + 1]! - 1],
    ...(margins && { margin: signedBytes(margins.base64)[index]! * margins.scale }),
  };
}

/** The cell below a point of the drawing, both given as fractions 0…1 of its width and height. */
export function cellBelow(block: MasksBlock, x: number, y: number): Cell {
  return cellAt(
    block,
    cellOf(y * block.height, block.rows, block.height),
    cellOf(x * block.width, block.columns, block.width),
  );
}

/** Base64 of signed bytes, decoded. */
export function signedBytes(encoded: string): Int8Array {
  const binary = atob(encoded);
  return Int8Array.from(binary, (character) => (character.charCodeAt(0) << 24) >> 24);
}
