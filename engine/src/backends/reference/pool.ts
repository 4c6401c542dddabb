import type { OperationOf } from '../../program/program.js';
import { Tensor } from '../../tensor.js';

/** Max or average pool over a window, by ONNX's rules for padding; windows may hang over the padded edge. */
export function poolWindows(
  input: Tensor,
  { kind, kernel, stride, padding, countPadding, destination }: OperationOf<'max-pool' | 'average-pool'>,
): Tensor {
  const [N, H, W, C] = input.shape;
  const [, height, width] = destination.shape;
  const output = Tensor.zeros([N, height, width, C]);
  for (let n = 0; n < N; n++) {
    for (let y = 0; y < height; y++) {
      const top = y * stride[0] - padding[0];
      for (let x = 0; x < width; x++) {
        const left = x * stride[1] - padding[1];
        const rows = [Math.max(top, 0), Math.min(top + kernel[0], H)] as const;
        const columns = [Math.max(left, 0), Math.min(left + kernel[1], W)] as const;
        // Windows hanging over the padded edge, as ceilMode makes them, count only what padding covers.
        const padded =
          (Math.min(top + kernel[0], H + padding[2]) - top) *
          (Math.min(left + kernel[1], W + padding[3]) - left);
        const count = countPadding ? padded : (rows[1] - rows[0]) * (columns[1] - columns[0]);
        for (let c = 0; c < C; c++) {
          let result = kind === 'max-pool' ? Number.NEGATIVE_INFINITY : 0;
          for (let sy = rows[0]; sy < rows[1]; sy++) {
            for (let sx = columns[0]; sx < columns[1]; sx++) {
              const value = input.data[((n * H + sy) * W + sx) * C + c]!;
              result = kind === 'max-pool' ? Math.max(result, value) : result + value;
            }
          }
          output.data[((n * height + y) * width + x) * C + c] = kind === 'max-pool' ? result : result / count;
        }
      }
    }
  }
  return output;
}

/** Mean over the pixels of `active` (all of them when left out): `[N, H, W, C]` → `[N, 1, 1, C]`; 0 where none is. */
export function globalPool(input: Tensor, pool: 'mean' | 'max', active?: Uint8Array): Tensor {
  const [N, H, W, C] = input.shape;
  const output = Tensor.zeros([N, 1, 1, C]);
  const found = new Float64Array(C);
  for (let n = 0; n < N; n++) {
    found.fill(pool === 'mean' ? 0 : Number.NEGATIVE_INFINITY);
    let pixels = 0;
    for (let p = n * H * W; p < (n + 1) * H * W; p++) {
      if (active && !active[p]) continue;
      pixels++;
      for (let c = 0; c < C; c++) {
        const value = input.data[p * C + c]!;
        found[c] = pool === 'mean' ? found[c]! + value : Math.max(found[c]!, value);
      }
    }
    if (pixels === 0) continue;
    for (let c = 0; c < C; c++) output.data[n * C + c] = pool === 'mean' ? found[c]! / pixels : found[c]!;
  }
  return output;
}

/**
 * The norm of each channel over the pixels of `active` (all of them when left out), by the mean of all channels' norms plus
 * `epsilon`: `[N, H, W, C]` → `[N, 1, 1, C]`.
 */
export function responses(input: Tensor, epsilon: number, active?: Uint8Array): Tensor {
  const [N, H, W, C] = input.shape;
  const output = Tensor.zeros([N, 1, 1, C]);
  for (let n = 0; n < N; n++) {
    const squares = new Float64Array(C);
    for (let p = n * H * W; p < (n + 1) * H * W; p++) {
      if (active && !active[p]) continue;
      for (let c = 0; c < C; c++) squares[c]! += input.data[p * C + c]! ** 2;
    }
    const norms = squares.map(Math.sqrt);
    const mean = norms.reduce((sum, norm) => sum + norm, 0) / C;
    output.data.set(
      norms.map((norm) => norm / (mean + epsilon)),
      n * C,
    );
  }
  return output;
}
