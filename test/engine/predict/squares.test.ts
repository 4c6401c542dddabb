import { blocksOf, builtNetwork, type Mask, Random } from '@fovea/engine';
import { blockShape, maskGrid } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { expectedCoverage, maskCoverage, wholeSquares } from '../../../engine/src/predict/coverage.js';

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

  it('are counted for as many images as a mask stands for', () => {
    const shape = blockShape(identity, 14, 14);
    const mask = drawMask(identity.index, shape.outHeight, shape.outWidth, 2, 0.4, 1);
    const one = maskCoverage(mask, identity, shape);
    const three = maskCoverage(mask, identity, shape, 3);
    expect(three.squares).toEqual(one.squares!.map((count) => 3 * count));
    expect(three.branch).toEqual(one.branch);
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
