import {
  blocksOf,
  customMasker,
  fixedMasker,
  learnedMasker,
  type MaskerContext,
  randomMasker,
  regionMasker,
  saliencyMasker,
} from '@fovea/engine';
import { blockShape } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { smallNetwork } from '../support/small-network.js';

const block = blocksOf(smallNetwork())[0]!;

function context(pooled: number[][], rows = 1, columns = pooled.length): MaskerContext {
  const C = pooled[0]?.length ?? 0;
  const shape = { ...blockShape(block, 8, 8), inChannels: C };
  return { block, shape, granularity: 2, batch: 1, rows, columns, pooled: Float32Array.from(pooled.flat()) };
}

const empty = (rows: number, columns: number, batch = 1): MaskerContext => ({
  ...context([], rows, columns),
  batch,
});

describe('the learned masker', () => {
  it('keeps a cell when compute − skip is at least 0, ties included', () => {
    const masked = { ...block, masker: { weight: Float32Array.from([1, -1]), bias: 0 } };
    const decision = learnedMasker().decide({
      ...context([
        [2, 1],
        [1, 2],
        [1, 1],
      ]),
      block: masked,
    });
    expect(decision).toMatchObject({
      cells: Uint8Array.from([1, 0, 1]),
      margins: Float32Array.from([1, -1, 0]),
    });
  });

  it('says so where a block has none', () => {
    const { masker: _, ...bare } = block;
    expect(() => learnedMasker().decide({ ...context([[1]]), block: bare })).toThrow(
      'block0) has no learned masker',
    );
  });
});

describe('the saliency masker', () => {
  it('keeps the cells of most energy, up to the rate, earlier ones first among equals', () => {
    const decision = saliencyMasker(0.5).decide(
      context([
        [1, 0],
        [0, -3],
        [1, 0],
        [2, 2],
      ]),
    );
    expect(decision).toMatchObject({ cells: Uint8Array.from([0, 1, 0, 1]) });
    expect(saliencyMasker(0.25).decide(context([[1], [1], [1], [1]]))).toMatchObject({
      cells: Uint8Array.from([1, 0, 0, 0]),
    });
  });

  it.each([
    [0, 0],
    [1, 4],
  ])('at rate %s keeps %s of 4', async (rate, kept) => {
    const { cells } = await saliencyMasker(rate).decide(context([[1], [2], [3], [4]]));
    expect(cells.reduce((sum, cell) => sum + cell, 0)).toBe(kept);
  });
});

describe('the random masker', () => {
  it('keeps exactly round(rate · cells) cells of every image, the same for the same seed', async () => {
    const first = await randomMasker(0.3, 5).decide(empty(4, 5, 3));
    for (let n = 0; n < 3; n++)
      expect(first.cells.subarray(n * 20, n * 20 + 20).reduce((a, b) => a + b, 0)).toBe(6);
    expect((await randomMasker(0.3, 5).decide(empty(4, 5, 3))).cells).toEqual(first.cells);
    expect((await randomMasker(0.3, 6).decide(empty(4, 5, 3))).cells).not.toEqual(first.cells);
  });

  it.each([-0.1, 1.1, Number.NaN])('refuses rate %s', (rate) => {
    expect(() => randomMasker(rate)).toThrow(`activation rate ${rate}`);
  });
});

describe('fixed masks', () => {
  it('are used for every image of the batch', async () => {
    const { cells } = await fixedMasker([Uint8Array.from([1, 0])]).decide(empty(1, 2, 2));
    expect(cells).toEqual(Uint8Array.from([1, 0, 1, 0]));
  });

  it('of the wrong size are refused, naming both sizes', () => {
    expect(() => fixedMasker([Uint8Array.from([1, 0, 1])]).decide(empty(1, 2))).toThrow(
      /has 3 cells; 2 \(1 x 2\)/,
    );
  });

  it('painted as a region keep each cell that the region touches', async () => {
    const masker = regionMasker({
      rows: 4,
      columns: 4,
      cells: Uint8Array.from([...'1000000000000001'].map(Number)),
    });
    expect((await masker.decide(empty(2, 2))).cells).toEqual(Uint8Array.from([1, 0, 0, 1]));
    expect((await masker.decide(empty(8, 8))).cells.reduce((a, b) => a + b, 0)).toBe(8);
  });
});

describe('a masker of the user’s own', () => {
  it('may answer booleans or margins', async () => {
    expect((await customMasker(() => [true, false]).decide(empty(1, 2))).cells).toEqual(
      Uint8Array.from([1, 0]),
    );
    const { cells, margins } = await customMasker(({ pooled }) => pooled.map((value) => value - 1.5)).decide(
      context([[1], [2]]),
    );
    expect([cells, margins]).toEqual([Uint8Array.from([0, 1]), Float32Array.from([-0.5, 0.5])]);
  });

  it.each<[string, ArrayLike<unknown>, RegExp]>([
    [
      'numbers after a boolean',
      [true, -1],
      /returned -1 for cell 1 of block \d+; true or false, as for the first/,
    ],
    ['booleans after a number', [0.5, false], /returned false for cell 1/],
    ['nothing for a cell', [0.5, null], /returned null for cell 1/],
    ['text', '10', /returned "1" for cell 0/],
    ['big integers', [1n, 0n], /returned 1 for cell 0/],
    ['zeros and ones, which may be cells or margins', [0, 1], /only the numbers 0 and 1/],
    ['zeros and ones as integers', Int8Array.of(0, 1), /only the numbers 0 and 1/],
  ])('that answers %s is refused, not read as active', async (_, values, message) => {
    const masker = customMasker(() => values as ArrayLike<number>);
    await expect(masker.decide(empty(1, 2))).rejects.toThrow(message);
  });

  it('may answer margins that happen to be 0 and 1', async () => {
    const { cells, margins } = await customMasker(() => Float32Array.of(0, 1)).decide(empty(1, 2));
    expect([[...cells], margins]).toEqual([[1, 1], Float32Array.of(0, 1)]);
    for (const same of [
      [1, 1],
      [0, 0],
    ])
      expect([...(await customMasker(() => same).decide(empty(1, 2))).cells]).toEqual([1, 1]);
  });

  it('that answers too few values, or NaN, is refused', async () => {
    await expect(customMasker(() => [true]).decide(empty(1, 2))).rejects.toThrow('returned 1 values');
    await expect(customMasker(() => [0, Number.NaN]).decide(empty(1, 2))).rejects.toThrow('NaN for cell 1');
  });
});
