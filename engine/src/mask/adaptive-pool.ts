import type { Tensor } from '../tensor.js';
import type { Grid } from './geometry.js';

/**
 * Adaptive average pool: cell i of G covers input rows `floor(i·n/G)` … `ceil((i+1)·n/G) − 1`, and windows
 * may overlap where G does not divide n (PyTorch's rule).
 *
 * @param input `[N, H, W, C]`
 * @returns `N · rows · columns · C` values
 */
export function adaptivePool(input: Tensor, { rows, columns }: Grid): Float32Array {
  const [N, H, W, C] = input.shape;
  const pooled = new Float32Array(N * rows * columns * C);
  const sum = new Float64Array(C);
  for (let n = 0; n < N; n++) {
    for (let row = 0; row < rows; row++) {
      const top = Math.floor((row * H) / rows);
      const bottom = Math.ceil(((row + 1) * H) / rows);
      for (let column = 0; column < columns; column++) {
        const left = Math.floor((column * W) / columns);
        const right = Math.ceil(((column + 1) * W) / columns);
        sum.fill(0);
        for (let y = top; y < bottom; y++) {
          for (let x = left; x < right; x++) {
            const pixel = ((n * H + y) * W + x) * C;
            for (let c = 0; c < C; c++) sum[c]! += input.data[pixel + c] as number;
          }
        }
        const area = (bottom - top) * (right - left);
        const cell = ((n * rows + row) * columns + column) * C;
        for (let c = 0; c < C; c++) pooled[cell + c] = sum[c]! / area;
      }
    }
  }
  return pooled;
}
