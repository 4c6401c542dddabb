import { cellStart } from '../../mask/geometry.js';
import type { ProgramHalo } from '../../program/program.js';

/** Pixels along one side of the largest of so many cells of a map. */
export function largestCell(size: number, cells: number): number {
  let largest = 0;
  for (let cell = 0; cell < cells; cell++)
    largest = Math.max(largest, cellStart(cell + 1, size, cells) - cellStart(cell, size, cells));
  return largest;
}

/** The window that the GPU keeps for each cell of a halo: as large as the largest needs, every cell at its number. */
export function haloWindow({ region, convolution }: ProgramHalo): { height: number; width: number } {
  const { rows, columns, height, width } = region.mask;
  const { kernel, stride } = convolution;
  const along = (size: number, cells: number, axis: 0 | 1) =>
    (largestCell(size, cells) - 1) * stride[axis] + kernel[axis];
  return { height: along(height, rows, 0), width: along(width, columns, 1) };
}
