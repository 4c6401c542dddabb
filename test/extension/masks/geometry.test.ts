import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as engine from '../../../engine/src/mask/geometry.js';
import type { MasksBlock } from '../../../extension/src/documents/types';
import {
  cellAt,
  cellBelow,
  cellEdges,
  cellOf,
  cellStarts,
  outline,
  runs,
  signedBytes,
} from '../../../extension/src/masks/geometry';
import { maskBlock, tinyMasks } from '../support/samples';

const sizes = fc
  .tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 300 }))
  .filter(([cells, extent]) => cells <= extent);

describe('cells of a map', () => {
  it('follow floor(pixel · cells / extent), also where the grid does not divide the map', () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((pixel) => cellOf(pixel, 3, 7))).toEqual([0, 0, 0, 1, 1, 2, 2]);
    expect(cellStarts(3, 7)).toEqual([0, 3, 5, 7]);
  });

  it('begin where cellOf says, for every grid and map', () => {
    fc.assert(
      fc.property(sizes, ([cells, extent]) => {
        const starts = cellStarts(cells, extent);
        expect(starts).toHaveLength(cells + 1);
        for (let pixel = 0; pixel < extent; pixel++) {
          const cell = cellOf(pixel, cells, extent);
          expect(starts[cell]! <= pixel && pixel < starts[cell + 1]!).toBe(true);
        }
      }),
      { seed: 3 },
    );
  });

  it('are those that the engine computes, for every grid and map', () => {
    fc.assert(
      fc.property(sizes, ([cells, extent]) => {
        const pixels = Array.from({ length: extent }, (_, pixel) => pixel);
        expect(pixels.map((pixel) => cellOf(pixel, cells, extent))).toEqual(
          pixels.map((pixel) => engine.cellOf(pixel, extent, cells)),
        );
        expect(cellStarts(cells, extent)).toEqual(
          Array.from({ length: cells + 1 }, (_, cell) => engine.cellStart(cell, extent, cells)),
        );
      }),
      { seed: 4 },
    );
  });

  it('cover a drawing without gap or overlap', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 900 }), ([cells, extent], size) => {
        const edges = cellEdges(cells, extent, size);
        expect(edges[0]).toBe(0);
        expect(edges.at(-1)).toBe(size);
        for (let at = 1; at < edges.length; at++) expect(edges[at]! >= edges[at - 1]!).toBe(true);
      }),
      { seed: 4 },
    );
  });

  it('are found again below the middle of each of their map pixels', () => {
    const block = maskBlock(0, 2, 15, 4);
    for (let y = 0; y < 15; y++) {
      for (let x = 0; x < 15; x++) {
        const cell = cellBelow(block, (x + 0.5) / 15, (y + 0.5) / 15);
        expect([cell.row, cell.column]).toEqual([cellOf(y, 3, 15), cellOf(x, 3, 15)]);
        expect(cell.y[0] <= y && y <= cell.y[1] && cell.x[0] <= x && x <= cell.x[1]).toBe(true);
      }
    }
  });
});

describe('areas of a mask', () => {
  const block = (cells: string): MasksBlock => ({ ...tinyMasks().images[0]!.blocks[0]!, cells });

  it('merge along rows', () => {
    expect(runs(block('1101'), '1', 8, 8)).toEqual([
      { left: 0, top: 0, right: 8, bottom: 4 },
      { left: 4, top: 4, right: 8, bottom: 8 },
    ]);
    expect(runs(block('1111'), '0', 8, 8)).toEqual([]);
  });

  it('of both states together cover every pixel once', () => {
    const mask = maskBlock(1, 0, 56, 8);
    const seen = new Uint8Array(90 * 70);
    for (const state of ['0', '1'] as const) {
      for (const { left, top, right, bottom } of runs(mask, state, 90, 70)) {
        for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) seen[y * 90 + x]! += 1;
      }
    }
    expect(seen.every((count) => count === 1)).toBe(true);
  });

  it('are outlined where an active cell meets an inactive one, and nowhere else', () => {
    expect(outline(block('1000'), 8, 8)).toEqual([
      { left: 4, top: 0, right: 4, bottom: 4 },
      { left: 0, top: 4, right: 4, bottom: 4 },
    ]);
    expect(outline(block('1111'), 8, 8)).toEqual([]);
  });
});

describe('a cell', () => {
  it('knows its pixels, its state, and its logit margin', () => {
    const bytes = Buffer.from(Int8Array.of(127, -128, 0, -1).buffer).toString('base64');
    const block = { ...tinyMasks().images[0]!.blocks[0]!, margins: { scale: 0.5, base64: bytes } };
    expect(cellAt(block, 0, 1)).toEqual({
      row: 0,
      column: 1,
      active: false,
      y: [0, 1],
      x: [2, 3],
      margin: -64,
    });
    expect(cellAt(block, 1, 1).margin).toBe(-0.5);
    expect([...signedBytes(bytes)]).toEqual([127, -128, 0, -1]);
  });
});
