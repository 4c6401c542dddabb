import { Tensor } from '@fovea/engine';
import type { PixelAttention } from '@fovea/engine/backend';
import { canTrain } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { attendPixels } from '../../../engine/src/backends/reference/pixel-attention.js';
import { attendedConstants, attendedDims } from '../../../engine/src/train/adapt/tape-attention.js';
import { attentions } from '../support/attending.js';
import { relativeError } from '../support/small-network.js';
import { dot, execute, expectClose, normal, slopes } from './slopes.js';

/** Sides of a map as small as an attention may have: a bias holds for one size. */
function fewest({ patch, windows, bias }: PixelAttention, sides: readonly [number, number]) {
  if (bias && !windows) return sides;
  const [height, width] = windows?.extent ?? patch;
  return [2 * height, 2 * width] as const;
}

describe.skipIf(!canTrain())('gradients of attention over pixels', () => {
  // Queries, keys and values are of one map here.
  it.each(
    attentions.filter(([, { heads, width, bias }, { fewer }]) => heads * width < 100 && !(bias && fewer)),
  )('attention over pixels, %s', async (_, attention, { channels, sides }) => {
    const [N, H, W] = [2, ...fewest(attention, sides)] as const;
    const { by, heads, width } = attention;
    // Of linear weights most are above 0: where all are nearly nothing, a step along them is too long.
    const x = normal(N * H * W * channels).map((value) => value + (by === 'linear' ? 1 : 0));
    const weights = normal(N * H * W * heads * width);
    const [y, dx] = [new Float32Array(weights.length), new Float32Array(x.length).fill(7)];
    const shape = [N, H, W, channels] as const;
    const dims = attendedDims(attention, { query: shape, key: shape, value: shape });
    const buffers = [x, x, x, ...attendedConstants(attention)];
    const value = async () => {
      await execute('pixel-attention', dims, ...buffers, y);
      return dot(y, weights);
    };
    await value();
    const map = new Tensor(shape, x);
    const read = { key: map, value: map, ...(attention.query ? { query: map } : {}) };
    const wanted = attendPixels(attention, read, [N, H, W, heads * width]);
    expect(relativeError(y, wanted.data)).toBeLessThan(1e-5);
    await execute('pixel-attention-dx', [...dims, 1, 0, 0], weights, ...buffers, dx, dx, dx);
    expectClose(await slopes(x, dx, value), 0.05);
  });
});
