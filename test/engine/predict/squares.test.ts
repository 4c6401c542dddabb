import { type Block, blocksOf, builtNetwork, type Mask, Random } from '@fovea/engine';
import { blockShape, maskGrid } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { expectedCoverage, maskCoverage, wholeSquares } from '../../../engine/src/predict/fovea/coverage.js';
import { passItems } from '../../../engine/src/predict/fovea/native-items.js';
import { bandsOf } from '../../../engine/src/predict/fovea/native-stream.js';

const network = builtNetwork('resnet50');
const blocks = blocksOf(network);
const identity = blocks[1]!;
const strided = blocks[3]!;

/** Cells active independently with probability `rate`. */
function drawMask(block: number, height: number, width: number, S: number, rate: number, seed: number): Mask {
  const { rows, columns } = maskGrid(height, width, S);
  const random = new Random(seed, block);
  const cells = Uint8Array.from({ length: rows * columns }, () => (random.next() < rate ? 1 : 0));
  return { block, granularity: S, batch: 1, rows, columns, height, width, cells };
}

describe('squares of 2 x 2 pixels', () => {
  it.each([
    ['identity', identity, 14, 1],
    ['identity', identity, 14, 3],
    ['identity', identity, 13, 4],
    ['strided', strided, 28, 2],
  ])('are as many as expected on average: %s, S = %i', (_name, block, side, S) => {
    const shape = blockShape(block, side, side);
    const rate = 0.3;
    const expected = expectedCoverage(block, shape, S, rate, 1).squares!;
    const draws = 400;
    const mean = block.branch.map(() => 0);
    for (let draw = 0; draw < draws; draw++) {
      const mask = drawMask(block.index, shape.outHeight, shape.outWidth, S, rate, draw);
      const { squares } = maskCoverage(mask, block, shape);
      squares!.forEach((count, i) => {
        mean[i]! += count / draws;
      });
    }
    mean.forEach((count, i) => {
      expect(count / expected[i]!).toBeGreaterThan(0.96);
      expect(count / expected[i]!).toBeLessThan(1.04);
    });
  });

  it('cover the whole map at rate 1, odd sides included', () => {
    const shape = blockShape(identity, 13, 13);
    const { squares } = expectedCoverage(identity, shape, 2, 1, 3);
    shape.branch.forEach((map, i) => {
      expect(squares![i]).toBeCloseTo(wholeSquares(3, map), 9);
    });
    expect(wholeSquares(3, { height: 13, width: 13 })).toBe(3 * 7 * 7);
  });
});

describe('items of a pass', () => {
  const pass = { whole: 784, expected: false, together: 96, calls: 1, panels: 8 };

  it('are counted as the loops make them', () => {
    expect(passItems({ ...pass, units: 200 }, 6, 1)).toMatchObject({ blocks: 3, tiles: 36, share: 1 });
    // 4 blocks in 2 parts each on 2 threads, so that each does as much as the other.
    expect(passItems({ ...pass, units: 200 }, 6, 2)).toMatchObject({ count: 8, share: 1 / 2 });
  });

  it('of an expected number never fall when it rises, and end at those of the whole map', () => {
    for (const threads of [1, 2, 5]) {
      let before = passItems({ ...pass, calls: 9, expected: true, units: 0.1 }, 6, threads);
      for (let units = 1; units <= pass.whole; units++) {
        const now = passItems({ ...pass, calls: 9, expected: true, units }, 6, threads);
        for (const amount of ['calls', 'blocks', 'count', 'tiles', 'prepared'] as const) {
          expect(now[amount], `${amount} at ${units}`).toBeGreaterThanOrEqual(before[amount] * (1 - 1e-12));
        }
        before = now;
      }
      expect(before).toEqual(passItems({ ...pass, calls: 9, units: pass.whole }, 6, threads));
    }
  });
});

describe('bands of a stream', () => {
  const passes = (block: Block, pixels: number) =>
    block.branch.map((convolution, i) => ({ convolution, pixels, inSquares: i === 1 }));
  const bands = (block: Block, pixels: number, threads = 1) => bandsOf(passes(block, pixels), threads).calls;

  it('keep their intermediates within the second-level caches, but have 96 pixels at least', () => {
    // 2 maps of 64 channels: 512 bytes a pixel, 192 KiB a band and thread.
    expect(bands(identity, 56 * 56)).toBe(Math.ceil((512 * 56 * 56) / (192 * 1024)));
    expect(bands(identity, 56 * 56, 2)).toBe(Math.ceil((512 * 56 * 56) / (384 * 1024)));
    expect(bands(identity, 50)).toBe(1);
  });

  it('are not so many that they read more weights again than they spare of intermediates', () => {
    const wide = blocks[8]!;
    const [conv1, conv2, conv3] = wide.branch;
    const weights = 4 * (conv1!.weight.length + (conv2!.weight.length * 16) / 9 + conv3!.weight.length);
    const intermediates = (pixels: number) => 4 * 2 * 256 * pixels;
    expect(bands(wide, 14 * 14)).toBe(1);
    const pixels = 3000;
    expect(intermediates(pixels) / (192 * 1024)).toBeGreaterThan(30);
    expect(bands(wide, pixels)).toBe(Math.floor(1 + (2 * intermediates(pixels)) / weights));
  });
});
