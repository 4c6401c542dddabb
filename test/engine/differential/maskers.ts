import {
  customMasker,
  fixedMasker,
  learnedMasker,
  type Masker,
  type MaskerContext,
  Random,
  randomMasker,
  saliencyMasker,
} from '@fovea/engine';
import type { Case } from './case.js';
import type { OracleDecision, Pooled } from './oracle.js';

/**
 * How far rounding may move a sum of products in single precision, as a fraction of the sum of their sizes: what
 * comes out of dozens of layers has been seen to differ by a tenth of this.
 */
export const ROUNDING = 2 ** -18;

/**
 * The cells that a masker of the engine's places without a look at the network's values: drawn, not computed, so that
 * there is nothing to know better.
 */
export function placedBy(masker: Masker): (pooled: Pooled) => OracleDecision {
  return ({ block, batch, rows, columns }) => {
    const question = { block, batch, rows, columns } as MaskerContext;
    return masker.decide(question) as OracleDecision;
  };
}

/** The maskers of a case: what the oracle decides by, and the same for the engine. */
export interface CaseMaskers {
  /** The oracle's decision. The first for a block also settles its threshold, in the widest gap near its rate. */
  decide(pooled: Pooled): OracleDecision;
  /** Thresholds of learned maskers by block. */
  readonly bias: ReadonlyMap<number, number>;
  /** One a block. */
  forEngine(): Masker[];
}

export function maskersOf(test: Case): CaseMaskers {
  const thresholds = new Map<number, number>();
  const bias = new Map<number, number>();
  const kept = new Map<number, { count: number; rate: number }>();
  const fixed = new Map<number, Uint8Array>();
  const random = test.blocks.map(({ rate }, index) => randomMasker(rate, test.seed + index));

  /** Active where the score of a cell is at least the threshold. */
  const byThreshold = (pooled: Pooled, scores: Scores): OracleDecision => {
    const { index } = pooled.block;
    let threshold = thresholds.get(index);
    if (threshold === undefined) {
      // In single precision, as the engine holds it.
      threshold = Math.fround(gapNear(scores.values, 1 - test.blocks[index]!.rate));
      thresholds.set(index, threshold);
      bias.set(index, -threshold);
    }
    const cells = scores.values.map((score) => (score >= threshold ? 1 : 0));
    const unclear = scores.values.map((score, i) =>
      Math.abs(score - threshold) <= ROUNDING * (scores.sizes[i]! + Math.abs(threshold)) ? 1 : 0,
    );
    return { cells: Uint8Array.from(cells), unclear: Uint8Array.from(unclear) };
  };

  /** Active where the energy is among the largest of the image. */
  const byEnergy = (pooled: Pooled): OracleDecision => {
    const { index } = pooled.block;
    const plane = pooled.rows * pooled.columns;
    const energies = scoresOf(pooled, (_c, value) => value * value).values;
    const images = Array.from({ length: pooled.batch }, (_, n) => energies.slice(n * plane, (n + 1) * plane));
    let keeps = kept.get(index);
    if (keeps === undefined) {
      const count = countNear(images, test.blocks[index]!.rate);
      keeps = { count, rate: count / plane };
      kept.set(index, keeps);
    }
    const { count } = keeps;
    const cells = new Uint8Array(energies.length);
    const unclear = new Uint8Array(energies.length);
    images.forEach((image, n) => {
      const order = [...image.keys()].sort((a, b) => image[b]! - image[a]! || a - b);
      for (const cell of order.slice(0, count)) cells[n * plane + cell] = 1;
      const [least, most] = [image[order[count - 1]!], image[order[count]!]];
      if (least === undefined || most === undefined) return;
      image.forEach((energy, cell) => {
        const other = cells[n * plane + cell] ? most : least;
        if (Math.abs(energy - other) <= 2 * ROUNDING * (energy + other)) unclear[n * plane + cell] = 1;
      });
    });
    return { cells, unclear };
  };

  const engineMasker = (index: number): Masker => {
    const margins = (values: ArrayLike<number>, C: number) =>
      scoresOf({ values, C }, ownScore).values.map((score) => score - thresholds.get(index)!);
    switch (test.blocks[index]!.masker) {
      case 'learned':
        return learnedMasker();
      case 'saliency':
        return saliencyMasker(kept.get(index)?.rate ?? 0);
      case 'fixed':
        return fixedMasker(fixed);
      case 'random':
        return random[index]!;
      case 'custom':
        return customMasker(({ pooled, shape }) => margins(pooled, shape.inChannels));
      case 'custom-later':
        return customMasker(async ({ pooled, shape }) => {
          await new Promise((resolve) => setImmediate(resolve));
          return margins(pooled, shape.inChannels).map((margin) => margin >= 0);
        });
    }
  };

  return {
    bias,
    decide(pooled) {
      const { block, batch, rows, columns } = pooled;
      const wanted = test.blocks[block.index]!;
      switch (wanted.masker) {
        case 'learned': {
          const { weight } = block.masker!;
          return byThreshold(
            pooled,
            scoresOf(pooled, (c, value) => weight[c]! * value),
          );
        }
        case 'custom':
        case 'custom-later':
          return byThreshold(pooled, scoresOf(pooled, ownScore));
        case 'saliency':
          return byEnergy(pooled);
        case 'fixed': {
          const image = fixed.get(block.index) ?? pattern(test, block.index, rows, columns);
          fixed.set(block.index, image);
          const cells = new Uint8Array(batch * image.length);
          for (let n = 0; n < batch; n++) cells.set(image, n * image.length);
          return { cells };
        }
        case 'random': {
          return placedBy(random[block.index]!)(pooled);
        }
      }
    },
    forEngine: () => test.blocks.map((_, index) => engineMasker(index)),
  };
}

/** A score for each cell, and the sum of the sizes of what it was summed from. */
interface Scores {
  readonly values: number[];
  readonly sizes: number[];
}

function scoresOf(
  { values, C }: { values: ArrayLike<number>; C: number },
  term: (channel: number, value: number) => number,
): Scores {
  const cells = values.length / C;
  const scores: Scores = { values: new Array(cells), sizes: new Array(cells) };
  for (let cell = 0; cell < cells; cell++) {
    let [sum, size] = [0, 0];
    for (let c = 0; c < C; c++) {
      const part = term(c, values[cell * C + c]!);
      sum += part;
      size += Math.abs(part);
    }
    scores.values[cell] = sum;
    scores.sizes[cell] = size;
  }
  return scores;
}

/** What the maskers in JavaScript add up: every third channel counts against a cell. */
const ownScore = (channel: number, value: number) => (channel % 3 === 2 ? -2 * value : value);

/** The middle of the widest gap between values, near the given fraction of them; beyond all of them for 0 and 1. */
function gapNear(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const span = Math.max(1e-3, sorted[n - 1]! - sorted[0]!);
  if (fraction <= 0) return sorted[0]! - span;
  if (fraction >= 1) return sorted[n - 1]! + span;
  let best = { gap: -1, middle: sorted[0]! - span };
  for (const at of around(n, fraction)) {
    const gap = sorted[at]! - sorted[at - 1]!;
    if (gap > best.gap) best = { gap, middle: sorted[at - 1]! + gap / 2 };
  }
  return best.middle;
}

/** How many cells of every image to keep: near the rate, where the last one kept is clearest of the next. */
function countNear(images: readonly (readonly number[])[], rate: number): number {
  const plane = images[0]!.length;
  if (rate <= 0 || rate >= 1) return rate <= 0 ? 0 : plane;
  const sorted = images.map((image) => [...image].sort((a, b) => b - a));
  let best = { gap: -1, count: plane };
  for (const count of around(plane, rate)) {
    const gap = Math.min(
      ...sorted.map((image) => (image[count - 1]! - image[count]!) / (image[count - 1]! + 1e-30)),
    );
    if (gap > best.gap) best = { gap, count };
  }
  return best.count;
}

/** Places between `n` sorted things, from 1 to n − 1, that are near a fraction of them. */
function around(n: number, fraction: number): number[] {
  const reach = Math.ceil(n * 0.1);
  const middle = Math.min(n - 1, Math.max(1, Math.round(n * fraction)));
  const places: number[] = [];
  for (let at = Math.max(1, middle - reach); at <= Math.min(n - 1, middle + reach); at++) places.push(at);
  return places;
}

/** A fixed mask: cells at random, a rectangle, stripes, or a single cell. */
function pattern(test: Case, block: number, rows: number, columns: number): Uint8Array {
  const random = new Random(test.seed, block);
  const { rate } = test.blocks[block]!;
  const [top, left] = [random.below(rows), random.below(columns)];
  const side = Math.sqrt(rate);
  const forms: ((row: number, column: number) => boolean)[] = [
    () => random.next() < rate,
    (row, column) =>
      row >= top && row < top + Math.ceil(rows * side) && column >= left && column < left + columns * side,
    (row, column) => (row + column) % 2 === 0,
    (row) => row % 3 === 0,
    (row, column) => row === top && column === left,
  ];
  const form = rate <= 0 ? () => false : rate >= 1 ? () => true : forms[random.below(forms.length)]!;
  return Uint8Array.from({ length: rows * columns }, (_, cell) =>
    form(Math.floor(cell / columns), cell % columns) ? 1 : 0,
  );
}
