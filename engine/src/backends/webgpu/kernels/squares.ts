/**
 * Kernels whose workgroups compute a square of output pixels each, inside a cell of a grid: that of a mask, whose cells
 * may be inactive, or one that divides the whole map.
 */

/** Where in the map a workgroup's square lies, and which cells are active. */
export const squareParameters: readonly string[] = [
  ...['toHeight', 'toWidth', 'down', 'across', 'cells', 'positions'],
];

/** `rowOf` gives the place of a pixel in packed rows, or the pixel itself. */
export const squareCode = `
fn rowOf(pixel: u32) -> u32 {
  if (p.packed == 1u) { return lists[p.positions + pixel]; }
  return pixel;
}`;

/** Finds a workgroup's square: image `n`, its `cell`, from `firstY` and `firstX` to before `endY` and `endX`. */
export function squareOf(side: number): string {
  return `  let square = groupNumber(group, groups);
  if (square >= p.rows) { return; }
  let cell = square / (p.down * p.across);
  let within = square % (p.down * p.across);
  let n = cell / (p.gridColumns * p.gridRows);
  let cellY = cell / p.gridColumns % p.gridRows;
  let cellX = cell % p.gridColumns;
  let firstY = (cellY * p.toHeight + p.gridRows - 1u) / p.gridRows + within / p.across * ${side}u;
  let firstX = (cellX * p.toWidth + p.gridColumns - 1u) / p.gridColumns + within % p.across * ${side}u;
  let endY = ((cellY + 1u) * p.toHeight + p.gridRows - 1u) / p.gridRows;
  let endX = ((cellX + 1u) * p.toWidth + p.gridColumns - 1u) / p.gridColumns;
  if (firstY >= endY || firstX >= endX) { return; }`;
}

/** True in a workgroup whose cell is not active. */
export const isInactive = 'p.cells != NONE && cells[p.cells + cell] == 0u';
