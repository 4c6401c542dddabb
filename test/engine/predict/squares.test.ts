import { blockShape, blocksOf, builtNetwork, type Mask, maskGrid, Random } from '@fovea/engine';
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
    // 3 blocks in 3 parts each on 2 threads: while one does the last of 9, the other waits for half of it.
    expect(passItems({ ...pass, units: 200 }, 6, 2)).toMatchObject({ count: 9, share: 1 / 2 + 1 / 4 / 9 });
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
  const passes = (pixels: number) => identity.branch.map((convolution) => ({ convolution, pixels }));

  it('keep their intermediates within a second-level cache, but have 96 pixels at least', () => {
    // 2 maps of 64 channels: 512 bytes a pixel, 384 pixels in 192 KiB.
    expect(bandsOf(passes(56 * 56), 1).calls).toBe(Math.ceil((56 * 56) / 384));
    expect(bandsOf(passes(56 * 56), 2).calls).toBe(Math.ceil((56 * 56) / 768));
    expect(bandsOf(passes(50), 1).calls).toBe(1);
  });
});
