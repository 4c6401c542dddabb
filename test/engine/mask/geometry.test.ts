import { blocksOf, randomMasker } from '@fovea/engine';
import {
  blockShape,
  cellOf,
  cellStart,
  maskGrid,
  maskStatistics,
  receptiveRegion,
  spreadCells,
} from '@fovea/engine/backend';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectedDilatedRate } from '../../../engine/src/mask/expected.js';
import { smallNetwork } from '../support/small-network.js';

const rows = (pixels: Uint8Array, width: number) =>
  Array.from({ length: pixels.length / width }, (_, y) =>
    pixels.subarray(y * width, (y + 1) * width).join(''),
  );

describe('the grid of a mask', () => {
  it('has floor(H / S) cells a side, and at least one', () => {
    expect(maskGrid(14, 14, 4)).toEqual({ rows: 3, columns: 3 });
    expect(maskGrid(7, 14, 2)).toEqual({ rows: 3, columns: 7 });
    expect(maskGrid(7, 7, Number.POSITIVE_INFINITY)).toEqual({ rows: 1, columns: 1 });
  });

  it.each([0, -1, Number.NaN])('refuses S = %s by name', (S) => {
    expect(() => maskGrid(8, 8, S)).toThrow(`granularity S = ${S}`);
  });

  it('makes uneven cells where S does not divide the map, by pixel y → floor(y · rows / H)', () => {
    const cells = Uint8Array.from([1, 0, 1]);
    expect(rows(spreadCells(cells, { rows: 1, columns: 3 }, 1, 1, 14), 14)).toEqual(['11111000001111']);
  });

  it('partitions every axis: a cell starts where the last one ended', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), (size, cells) => {
        fc.pre(cells <= size);
        for (let y = 0; y < size; y++) {
          const cell = cellOf(y, size, cells);
          expect(y).toBeGreaterThanOrEqual(cellStart(cell, size, cells));
          expect(y).toBeLessThan(cellStart(cell + 1, size, cells));
        }
      }),
    );
  });
});

describe('the region that a convolution reads', () => {
  const three = { kernel: [3, 3], padding: [1, 1, 1, 1], dilation: [1, 1] } as const;

  it('is the 3x3 dilation at stride 1', () => {
    const active = Uint8Array.from([...'00000', ...'00000', ...'00010', ...'00000', ...'00000'].map(Number));
    const map = { height: 5, width: 5 };
    const read = receptiveRegion(active, 1, map, { ...three, stride: [1, 1] }, map);
    expect(rows(read, 5)).toEqual(['00000', '00111', '00111', '00111', '00000']);
  });

  it('covers rows 2i−1 … 2i+1 at stride 2, cut at the border', () => {
    const active = Uint8Array.from([1, 0, 0, 1]);
    const read = receptiveRegion(
      active,
      1,
      { height: 2, width: 2 },
      { ...three, stride: [2, 2] },
      { height: 4, width: 4 },
    );
    expect(rows(read, 4)).toEqual(['1100', '1111', '0111', '0111']);
  });
});

describe('the expected dilated rate', () => {
  const block = blocksOf(smallNetwork({ strides: [1, 2] }));

  it.each([0, 1])('is exact at rate %s', (rate) => {
    const shape = blockShape(block[0]!, 16, 12);
    expect(expectedDilatedRate(block[0]!, shape, 3, rate)).toBeCloseTo(rate, 12);
  });

  it.each([
    [0, 1],
    [0, 4],
    [1, 2],
  ])('agrees with the mean over random masks (block %i, S = %i)', (index, S) => {
    const target = block[index]!;
    const shape = blockShape(target, 16, 12);
    const grid = maskGrid(shape.outHeight, shape.outWidth, S);
    const batch = 400;
    const cells = grid.rows * grid.columns;
    const rate = Math.round(0.3 * cells) / cells;
    const decided = randomMasker(rate).decide({
      block: target,
      shape,
      granularity: S,
      batch,
      ...grid,
      pooled: new Float32Array(0),
    }) as { cells: Uint8Array };
    const mask = {
      block: index,
      granularity: S,
      batch,
      ...grid,
      height: shape.outHeight,
      width: shape.outWidth,
      ...decided,
    };
    const { dilatedRate } = maskStatistics(mask, target, shape);
    expect(expectedDilatedRate(target, shape, S, rate)).toBeGreaterThan(dilatedRate - 0.04);
    expect(expectedDilatedRate(target, shape, S, rate)).toBeLessThan(dilatedRate + 0.04);
  });
});
