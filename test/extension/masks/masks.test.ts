import { describe, expect, it } from 'vitest';
import { heatColor } from '../../../extension/src/masks/colors';
import { cellAt } from '../../../extension/src/masks/geometry';
import { computeHeat } from '../../../extension/src/masks/heat';
import {
  blockSentence,
  byStage,
  cellSentence,
  firstTelling,
  heatSentence,
  imageSentence,
  skippedSentence,
  wholeBlockSentence,
} from '../../../extension/src/masks/summary';
import { sampleMasks, tinyMasks } from '../support/samples';

describe('the compute heat map', () => {
  it('counts the blocks that ran at each pixel', () => {
    const heat = computeHeat(tinyMasks().images[0]!.blocks, 4, 4);
    // prettier-ignore
    expect([...heat.counts]).toEqual([2, 2, 0, 0, 2, 2, 0, 0, 0, 0, 2, 2, 0, 0, 2, 2]);
    expect(heat).toMatchObject({ width: 4, height: 4, blocks: 3, mean: 1 });
  });

  it('agrees with each block’s own rate on average', () => {
    const { blocks } = sampleMasks().images[0]!;
    const heat = computeHeat(blocks, 224, 224);
    const rates = blocks.reduce((sum, block) => sum + block.rate, 0);
    expect(heat.mean).toBeCloseTo(rates, 6);
  });

  it('counts large images on a raster of bounded size', () => {
    const { width, height } = computeHeat(sampleMasks().images[0]!.blocks, 4000, 2000);
    expect([width, height]).toEqual([512, 256]);
  });

  it('is empty, not broken, without blocks', () => {
    const heat = computeHeat([], 4, 4);
    expect(heat.mean).toBe(0);
    expect(heatSentence(heat)).toBe(
      'On average 0 of 0 blocks run at a pixel; 0 at the least, 0 at the most.',
    );
  });

  it('has colours that grow lighter from end to end', () => {
    const luma = ([r, g, b]: readonly number[]) => 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    const steps = Array.from({ length: 33 }, (_, step) => luma(heatColor(step / 32)));
    for (let at = 1; at < steps.length; at++) expect(steps[at]!).toBeGreaterThan(steps[at - 1]!);
    expect(heatColor(-1)).toEqual(heatColor(0));
    expect(heatColor(2)).toEqual(heatColor(1));
  });
});

describe('words about masks', () => {
  const document = sampleMasks();
  const image = document.images[0]!;

  it('name block, stage, S and rate', () => {
    expect(blockSentence(image.blocks, 3)).toBe(
      'Block 4 of 16, layer2.3: stage 2, granularity 4, 33 % active.',
    );
    expect(blockSentence([], 0)).toBe('No blocks with masks.');
  });

  it('say what the picture shows', () => {
    expect(imageSentence(document, image)).toMatch(
      /^Masks of lasnet-50 over ball.png, seen as soccer ball with 81 %: 16 blocks, \d+ % active on average.$/,
    );
  });

  it('give a cell’s place, state, margin and map pixels', () => {
    const [block] = tinyMasks().images[0]!.blocks;
    expect(cellSentence(cellAt(block!, 0, 0), 0.25)).toBe(
      'Row 1, column 1 runs · map y 0–1, x 0–1 · 25 % of its block active',
    );
    expect(cellSentence({ ...cellAt(block!, 1, 0), margin: -1.236 }, 1)).toBe(
      'Row 2, column 1 is skipped · margin −1.24 · map y 2–3, x 0–1 · 100 % of its block active',
    );
  });

  it('begin with a block whose mask has something to show', () => {
    const blocks = (...rates: number[]) =>
      rates.map((rate) => ({ ...tinyMasks().images[0]!.blocks[0]!, rate }));
    expect(firstTelling(blocks(1, 0.98, 0, 0.28, 0.5))).toBe(4);
    expect(firstTelling(blocks(1, 0.95, 0.02, 0))).toBe(1);
    expect(firstTelling(blocks(1))).toBe(0);
    expect(firstTelling([])).toBe(0);
    // Of masks with one rate, the one whose cells are where the others compute.
    const [block] = tinyMasks().images[0]!.blocks;
    const grid = { rows: 2, columns: 2, rate: 0.5 };
    const at = (cells: string) => ({ ...block!, ...grid, cells });
    const wide = (cells: string) => ({ ...at(cells), rate: 0.75 });
    expect(firstTelling([at('0110'), at('1100'), wide('1101'), wide('1110')])).toBe(1);
  });

  it('that are skipped or computed as a whole are said to be, and counted', () => {
    const [block] = tinyMasks().images[0]!.blocks;
    const of = (rate: number) => ({ ...block!, rate });
    expect(wholeBlockSentence(of(0))).toContain('Skipped completely');
    expect(wholeBlockSentence(of(1))).toContain('Computed everywhere');
    expect(wholeBlockSentence(of(0.004))).toBeUndefined();
    expect(skippedSentence([of(0), of(0.2), of(0)])).toBe('2 of 3 blocks skipped as a whole');
    expect(skippedSentence([of(0.2)])).toBeUndefined();
  });

  it('gather blocks by stage in order', () => {
    expect(byStage(image.blocks).map(({ stage, blocks }) => [stage, blocks.length])).toEqual([
      [0, 3],
      [1, 4],
      [2, 6],
      [3, 3],
    ]);
  });
});
