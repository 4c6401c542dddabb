import type { Block } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import { cellOf, maskGrid } from './geometry.js';

/**
 * How many cells read each row (or column) of conv1's output, along one axis.
 * Kernels are rectangles, so a pixel is read by (cells along its row) x (cells along its column).
 */
function readersAlong(block: Block, shape: BlockShape, cells: number, axis: 'height' | 'width'): number[] {
  const side = axis === 'height' ? 0 : 1;
  const output = shape.branch[shape.branch.length - 1]![axis];
  let readers: Set<number>[] = Array.from({ length: output }, (_, i) => new Set([cellOf(i, output, cells)]));
  for (let layer = block.branch.length - 1; layer >= 1; layer--) {
    const { kernel, stride, padding, dilation } = block.branch[layer]!;
    const size = shape.branch[layer - 1]![axis];
    const before: Set<number>[] = Array.from({ length: size }, () => new Set<number>());
    readers.forEach((set, i) => {
      for (let k = 0; k < kernel[side]; k++) {
        const source = i * stride[side] - padding[side] + k * dilation[side];
        if (source >= 0 && source < size) for (const cell of set) before[source]!.add(cell);
      }
    });
    readers = before;
  }
  return readers.map((set) => set.size);
}

/**
 * Expected fraction of conv1's output that lies inside the dilated mask, when every cell is active
 * independently with probability `rate`: the mean over pixels of 1 − (1 − r)^k, where k cells read the pixel.
 *
 * @param rate activation rate, 0…1
 * @returns 0…1; not below `rate` for stride 1, monotone in `rate`
 */
export function expectedDilatedRate(
  block: Block,
  shape: BlockShape,
  granularity: number,
  rate: number,
): number {
  const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, granularity);
  const across = histogram(readersAlong(block, shape, columns, 'width'));
  const down = histogram(readersAlong(block, shape, rows, 'height'));
  const first = shape.branch[0]!;
  let expected = 0;
  for (const [a, columnsOfA] of across) {
    for (const [b, rowsOfB] of down) expected += columnsOfA * rowsOfB * (1 - (1 - rate) ** (a * b));
  }
  return expected / (first.height * first.width);
}

function histogram(counts: readonly number[]): Map<number, number> {
  const bins = new Map<number, number>();
  for (const count of counts) bins.set(count, (bins.get(count) ?? 0) + 1);
  return bins;
}
