import { canTrain } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { TrainProgram } from '../../../engine/src/train/train-program.js';
import { dot, execute, expectClose, normal, random, slopes } from './slopes.js';

describe.skipIf(!canTrain())('gradients agree with finite differences (needs the native kernels)', () => {
  const convolutions: [string, number, number, number, number, number, number, number][] = [
    // name, batch, side, in, out, kernel, stride, groups
    ['3x3', 2, 7, 10, 18, 3, 1, 1],
    ['3x3 of stride 2', 2, 9, 9, 16, 3, 2, 1],
    ['1x1', 3, 5, 20, 7, 1, 1, 1],
    ['1x1 of stride 2', 2, 6, 16, 32, 1, 2, 1],
    ['grouped 3x3', 2, 6, 12, 20, 3, 1, 4],
    ['depthwise 3x3 of stride 2', 2, 8, 8, 8, 3, 2, 8],
    ['7x7 of three channels', 2, 13, 3, 5, 7, 2, 1],
  ];
  it.each(convolutions)('convolution %s', async (_, N, side, C, K, kernel, stride, groups) => {
    const padding = kernel >> 1;
    const out = Math.floor((side + 2 * padding - kernel) / stride) + 1;
    const dims = [N, side, side, C, out, out, K, kernel, kernel, stride, stride, padding, padding, groups, 0];
    const x = normal(N * side * side * C);
    const w = normal((K * C * kernel * kernel) / groups);
    const y = new Float32Array(N * out * out * K);
    const weights = normal(y.length);
    const value = async () => {
      await execute('convolution', dims, x, w, y);
      return dot(y, weights);
    };
    const dx = normal(x.length);
    const dw = normal(w.length);
    await execute('convolution-dx', dims, weights, w, dx);
    await execute('convolution-dw', dims, x, weights, dw);
    expectClose(await slopes(x, dx, value));
    expectClose(await slopes(w, dw, value));

    const doubled = dx.slice();
    await execute('convolution-dx', [...dims.slice(0, 14), 1], weights, w, doubled);
    doubled.forEach((slope, i) => {
      expect(slope).toBeCloseTo(2 * dx[i]!, 3);
    });
  });

  it('convolution itself, against a direct sum', async () => {
    const [N, H, W, C, K, groups, stride] = [2, 5, 6, 8, 6, 2, 2];
    const x = normal(N * H * W * C);
    const w = normal((K * C * 9) / groups);
    const [OH, OW] = [3, 3];
    const y = new Float32Array(N * OH * OW * K);
    await execute('convolution', [N, H, W, C, OH, OW, K, 3, 3, stride, stride, 1, 1, groups, 0], x, w, y);
    for (let i = 0; i < y.length; i++) {
      const [o, ox, oy, n] = [
        i % K,
        Math.floor(i / K) % OW,
        Math.floor(i / (K * OW)) % OH,
        Math.floor(i / (K * OW * OH)),
      ];
      const [inputs, group] = [C / groups, Math.floor(o / (K / groups))];
      let sum = 0;
      for (let ky = 0; ky < 3; ky++) {
        for (let kx = 0; kx < 3; kx++) {
          const [iy, ix] = [oy * stride - 1 + ky, ox * stride - 1 + kx];
          if (iy < 0 || ix < 0 || iy >= H || ix >= W) continue;
          for (let c = 0; c < inputs; c++) {
            sum +=
              x[((n * H + iy) * W + ix) * C + group * inputs + c]! * w[((o * inputs + c) * 3 + ky) * 3 + kx]!;
          }
        }
      }
      expect(y[i]).toBeCloseTo(sum, 4);
    }
  });

  it.each([0, 1])('batch norm in training mode (ReLU: %i)', async (relu) => {
    const [rows, C] = [1400, 11];
    const x = normal(rows * C).map((value) => 2 * value + 0.7);
    const [gamma, beta] = [normal(C), normal(C)];
    const [scale, shift, mean, inverse] = [0, 1, 2, 3].map(() => new Float32Array(C)) as Float32Array[];
    const running = [new Float32Array(C), new Float32Array(C)];
    const y = new Float32Array(x.length);
    const weights = normal(x.length);
    const value = async () => {
      await execute('moments', [rows, C], x, gamma, beta, scale!, shift!, mean!, inverse!, ...running);
      await execute('affine', [rows, C, relu], x, scale!, shift!, y);
      return dot(y, weights);
    };
    await value();
    const [dx, dgamma, dbeta] = [new Float32Array(x.length), new Float32Array(C), new Float32Array(C)];
    await execute(
      'normalisation-dx',
      [rows, C, relu],
      weights,
      x,
      gamma,
      scale!,
      shift!,
      mean!,
      inverse!,
      dx,
      dgamma,
      dbeta,
    );
    expectClose(await slopes(x, dx, value, 1e-3), 0.02);
    expectClose(await slopes(gamma, dgamma, value, 1e-3), 0.02);
    expectClose(await slopes(beta, dbeta, value, 1e-3), 0.02);
  });

  it('maximum and average pool, adaptive pool', async () => {
    const [N, H, W, C] = [2, 9, 7, 5];
    const x = normal(N * H * W * C);
    const dx = new Float32Array(x.length);
    const window = [N, H, W, C, 5, 4, 3, 3, 2, 2, 1, 1];
    const y = new Float32Array(N * 5 * 4 * C);
    const weights = normal(y.length);
    const index = new Int32Array(y.length);
    const pools: [string, Float32Array, Int32Array[]][] = [
      ['max-pool', y, [index]],
      ['average-pool', y, []],
    ];
    for (const [name, output, extra] of pools) {
      const value = async () => {
        await execute(name, window, x, output, ...extra);
        return dot(output, weights);
      };
      await value();
      await execute(`${name}-dx`, window, weights, ...extra, dx);
      expectClose(await slopes(x, dx, value, 1e-4), 0.02);
    }
    const cells = [N, H, W, C, 2, 3];
    const pooled = new Float32Array(N * 6 * C);
    const each = normal(pooled.length);
    const value = async () => {
      await execute('cells', cells, x, pooled);
      return dot(pooled, each);
    };
    await execute('cells-dx', cells, each, dx);
    expectClose(await slopes(x, dx, value));
  });

  it('masked residual add, with the gradient of the mask', async () => {
    const [N, H, W, C, rows, columns] = [2, 7, 6, 10, 3, 2];
    const size = N * H * W * C;
    const [x, identity, z] = [normal(size), normal(size), new Float32Array(size)];
    const [scale, shift] = [normal(C), normal(C)];
    const mask = Float32Array.from({ length: N * rows * columns }, () => random.next());
    const weights = normal(size);
    const value = async () => {
      await execute('residual', [N, H, W, C, rows, columns], x, scale, shift, identity, z, mask);
      return dot(z, weights);
    };
    await value();
    const [dz, df, dmask] = [weights.slice(), new Float32Array(size), new Float32Array(mask.length)];
    await execute('residual-dx', [N, H, W, C, rows, columns], dz, z, x, scale, shift, df, mask, dmask);
    expectClose(await slopes(mask, dmask, value, 1e-4));
    expectClose(await slopes(identity, dz, value, 1e-4));
    const dx = df.map((slope, i) => slope * scale[i % C]!);
    expectClose(await slopes(x, dx, value, 1e-4));
  });

  it('cross entropy with smoothing and distillation', async () => {
    const [N, classes] = [5, 7];
    const [logits, teacher] = [normal(N * classes), normal(N * classes)];
    const labels = Int32Array.from({ length: N }, () => random.below(classes));
    const settings = new Float32Array([0.5, 4, 0.1]);
    const [gradient, report] = [new Float32Array(logits.length), new Float32Array(3)];
    const value = async () => {
      await execute('classify', [N, classes, 1], logits, labels, settings, gradient, report, teacher);
      return report[0]! + 0.5 * report[1]!;
    };
    await value();
    expectClose(await slopes(logits, gradient.slice(), value), 0.01);
  });

  it('the FLOPs loss falls where its gradient says', async () => {
    // Two blocks of four cells an image; rates follow the masks' means.
    const [N, cells] = [2, 4];
    const costs = new Float32Array([1, 0, 9, 2, 0, 6, 3]);
    const settings = new Float32Array([10, 0.3, 0.6, 0.2]);
    const masks = [0, 1].map(() => Float32Array.from({ length: N * cells }, () => 0.4 + 0.6 * random.next()));
    const slopesOf = masks.map(() => new Float32Array(N * cells));
    const [rates, report] = [new Float32Array(4), new Float32Array(2)];
    const value = async () => {
      masks.forEach((mask, b) => {
        rates[2 * b] = mask.reduce((sum, cell) => sum + cell, 0) / mask.length;
      });
      await execute('budget', [2, 0, N, cells, cells], rates, costs, settings, report, ...slopesOf);
      return report[1]!;
    };
    await value();
    for (const b of [0, 1]) expectClose(await slopes(masks[b]!, slopesOf[b]!.slice(), value, 1e-3), 0.01);
  });

  it('hard Gumbel-softmax: decisions follow the logits, and the gradient is the soft one', async () => {
    const cells = 4000;
    const margin = 0.8;
    const logits = Float32Array.from({ length: 2 * cells }, (_, i) => (i % 2 === 0 ? margin : 0));
    const [mask, soft] = [new Float32Array(cells), new Float32Array(cells)];
    const [seed, gumbel] = [new Uint32Array([3, 11]), new Float32Array([0.7, 1])];
    await execute('gumbel', [1, cells, 2, 1, 0], logits, seed, gumbel, mask, soft);
    const rate = mask.reduce((sum, cell) => sum + cell, 0) / cells;
    // P(compute) is the softmax of the logits; 0.03 is four standard deviations of 4000 draws.
    expect(Math.abs(rate - 1 / (1 + Math.exp(-margin)))).toBeLessThan(0.03);
    const again = new Float32Array(cells);
    await execute('gumbel', [1, cells, 2, 1, 0], logits, seed, gumbel, again, soft);
    expect(again).toEqual(mask);

    const dmask = normal(cells);
    const gradient = new Float32Array(2 * cells);
    await execute('gumbel-dx', [1, cells, 2, 1, 0], dmask, soft, gumbel, gradient);
    const value = async () => {
      await execute('gumbel', [1, cells, 2, 1, 0], logits, seed, gumbel, again, soft);
      return dot(soft, dmask);
    };
    expectClose(await slopes(logits, gradient, value, 1e-3), 0.02);

    await execute('gumbel', [1, cells, 2, 0, 0], logits, seed, gumbel, mask, soft);
    expect(mask.every((cell) => cell === 1)).toBe(true);
  });

  it('Gumbel-softmax without noise decides as inference does, and keeps the slope of its temperature', async () => {
    const margins = [-1.4, -0.2, 0.2, 1.4];
    const logits = Float32Array.from(margins.flatMap((margin) => [margin, 0]));
    const [mask, soft] = [new Float32Array(4), new Float32Array(4)];
    const [seed, gumbel] = [new Uint32Array([3, 11]), new Float32Array([2, 0])];
    await execute('gumbel', [1, 4, 2, 1, 0], logits, seed, gumbel, mask, soft);
    expect([...mask]).toEqual([0, 0, 1, 1]);
    margins.forEach((margin, i) => {
      expect(soft[i]).toBeCloseTo(1 / (1 + Math.exp(-margin / 2)), 6);
    });
  });

  it('refuses buffers that are too small', () => {
    const x = new Float32Array(4);
    expect(() => new TrainProgram([{ op: 'affine', dims: [100, 4, 0], buffers: [x, x, x, x] }])).toThrow(
      /buffer 0 needs 400 values, has 4/,
    );
    expect(() => new TrainProgram([{ op: 'dance', dims: [], buffers: [] }])).toThrow(/dance/);
  });
});
