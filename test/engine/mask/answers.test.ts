import {
  customMasker,
  getStrategy,
  learnedMasker,
  type MaskDecision,
  type Masker,
  makePlan,
  predict,
  randomMasker,
  run,
  type Strategy,
  saliencyMasker,
} from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

const network = smallNetwork({ strides: [1, 1] });
const images = randomImages(network);
const settings = { granularity: 3, threads: 1 } as const;

/** A masker of somebody's own, whatever it calls itself. */
const own = (decide: (cells: number) => MaskDecision, kind: Masker['kind'] = 'custom', needsPool = true) =>
  ({
    ...{ kind, description: 'own', needsPool },
    decide: ({ batch, rows, columns }) => decide(batch * rows * columns),
  }) as Masker;

describe.each(backends)('what maskers answer, on $name', ({ name: backend, missing }) => {
  const there = it.skipIf(missing !== undefined);
  const masksOf = async (masker: Masker) =>
    (await run(network, images, { ...settings, backend, masker })).masks.map(({ cells }) => [...cells]);

  there(
    'are given what has changed since the block before, where S does not divide the map too',
    async () => {
      const uneven = smallNetwork({ kind: 'inverted', height: 9, mapWidth: 11, strides: [1, 1, 1] });
      const pair = randomImages(uneven, 2);
      const pooledOn = async (name: string, strategy: string) => {
        const seen: number[][] = [];
        const masker = customMasker(({ batch, rows, columns, pooled }) => {
          seen.push([...pooled]);
          return Array.from({ length: batch * rows * columns }, (_, cell) => cell % 4 === 0);
        });
        await run(uneven, pair, { backend: name, strategy, masker, granularity: 2, threads: 1 });
        return seen;
      };
      const expected = await pooledOn('reference', 'unfused');
      const seen = await pooledOn(backend, 'streamed');
      expect(seen.length).toBe(3);
      seen.forEach((values, block) => {
        expect(relativeError(values, expected[block]!), `block ${block}`).toBeLessThan(1e-5);
      });
    },
  );

  there.each<[string, (cells: number) => MaskDecision, RegExp]>([
    ['too few cells', (count) => ({ cells: new Uint8Array(count - 1) }), /answered 11 cells for block 0; 12/],
    ['no cells', () => ({}) as MaskDecision, /answered no cells for block 0; 12/],
    [
      'too many margins',
      (count) => ({ cells: new Uint8Array(count), margins: new Float32Array(count + 1) }),
      /answered 13 margins for block 0; 12/,
    ],
    ['nothing', () => undefined as unknown as MaskDecision, /answered no cells for block 0; 12/],
    [
      'a promise of nothing',
      () => Promise.resolve(null) as unknown as MaskDecision,
      /answered no cells for block 0; 12/,
    ],
    [
      'a margin that is no number',
      (count) => ({ cells: new Uint8Array(count), margins: new Float32Array(count).fill(Number.NaN, 3) }),
      /answered NaN for the margin of cell 3 of block 0/,
    ],
    [
      'a cell of 2',
      (count) => ({ cells: new Uint8Array(count).fill(2) }),
      /answered 2 for cell 0 of block 0/,
    ],
    [
      'a cell of one half',
      (count) => ({ cells: new Array(count).fill(0.5) as unknown as Uint8Array }),
      /answered 0\.5 for cell 0/,
    ],
  ])('is refused when it is %s', async (_, decide, message) => {
    for (const needsPool of [true, false]) {
      await expect(masksOf(own(decide, 'custom', needsPool))).rejects.toThrow(message);
    }
  });

  there('may be a list of 0 and 1', async () => {
    const list = (count: number) => Array.from({ length: count }, (_, cell) => cell % 2);
    const masks = await masksOf(own((count) => ({ cells: list(count) as unknown as Uint8Array })));
    expect(masks).toEqual([list(12), list(12)]);
  });

  there('may be bytes: cells of 0 and 1, not margins that are never below 0', async () => {
    const masker = customMasker(({ batch, rows, columns }) =>
      new Uint8Array(batch * rows * columns).map((_, cell) => (cell < 3 ? 1 : 0)),
    );
    const masks = await masksOf(masker);
    expect(masks[0]).toEqual([1, 1, 1, ...new Array(9).fill(0)]);
    const wrong = customMasker(({ batch, rows, columns }) =>
      new Uint8Array(batch * rows * columns).fill(255),
    );
    await expect(masksOf(wrong)).rejects.toThrow(/answered 255 for cell 0/);
  });

  there(
    'has margins of its own in every result, also when the masker writes into the same array again',
    async () => {
      const margins = new Float32Array(12);
      let asked = 0;
      const masker = own((count) => ({
        cells: new Uint8Array(count).fill(1),
        margins: margins.fill(asked++),
      }));
      const { masks } = await run(network, images, { ...settings, backend, masker });
      expect(masks.map((mask) => mask.margins)).toEqual([new Float32Array(12), new Float32Array(12).fill(1)]);
    },
  );

  there('may come from running the same network in between', { timeout: 60_000 }, async () => {
    const inner = { ...settings, backend, masker: 'random', rate: 0.5 } as const;
    const expected = (await run(network, images, inner)).masks.map(({ cells }) => [...cells]);
    const masker = customMasker(
      async ({ block }) => (await run(network, images, inner)).masks[block.index]!.cells,
    );
    expect(await masksOf(masker)).toEqual(expected);
  });

  there('is not waited for after an abort, nor are the runs behind it', async () => {
    const controller = new AbortController();
    const never = own(() => new Promise(() => controller.abort()) as unknown as MaskDecision);
    const options = { ...settings, backend } as const;
    const waiting = run(network, images, { ...options, masker: never, signal: controller.signal });
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    expect(await masksOf(randomMasker(1))).toEqual([new Array(12).fill(1), new Array(12).fill(1)]);
  });

  there.each(['learned', 'saliency'] as const)(
    'counts as it stands from a masker of one’s own that calls itself %s',
    async (kind) => {
      const first = (count: number) => new Uint8Array(count).fill(1, 0, 2);
      const masker = { ...own((count) => ({ cells: first(count) }), kind), rate: 0.9 };
      expect(await masksOf(masker)).toEqual([[...first(12)], [...first(12)]]);
    },
  );
});

describe('a masker', () => {
  it.each<[string, unknown, RegExp]>([
    [
      'without a decision',
      { kind: 'custom', description: 'own', needsPool: true },
      /masker without a function/,
    ],
    ['that is missing from a list', [randomMasker(0.5), undefined], /masker of block 1 without a function/],
    ['that keeps to no rate', { ...randomMasker(0.5), rate: Number.NaN }, /activation rate NaN/],
  ])('%s is refused before the run begins', async (_, masker, message) => {
    const options = { ...settings, masker: masker as Masker };
    await expect(run(network, images, options)).rejects.toThrow(message);
  });

  it('passes on what its own function throws', async () => {
    for (const thrown of [new Error('mine'), undefined]) {
      const masker = customMasker(() => {
        throw thrown;
      });
      await expect(run(network, images, { ...settings, masker })).rejects.toBe(thrown);
    }
  });
});

describe('the rate that maskers keep to', () => {
  it('is assumed where no other is given', () => {
    const rates = (masker: Masker, rate?: number) =>
      predict(network, {
        ...{ device: 'cpu-avx2', granularity: 1, maskers: [masker, masker] },
        ...(rate === undefined ? {} : { rate }),
      }).blocks.map((block) => block.rate);
    expect(rates(saliencyMasker(0.2))).toEqual([0.2, 0.2]);
    expect(rates(randomMasker(0.3))).toEqual([0.3, 0.3]);
    expect(rates(learnedMasker())).toEqual([0.5, 0.5]);
    expect(rates(randomMasker(0.3), 0.7)).toEqual([0.7, 0.7]);
  });

  it('is what strategies are given', () => {
    const given: number[] = [];
    const strategy: Strategy = {
      name: 'listening',
      description: 'notes the rate that it is given',
      plan: (context) => {
        given.push(context.statistics.rate);
        return getStrategy('streamed').plan(context);
      },
    };
    makePlan(network, { strategy, maskers: [randomMasker(0.2), saliencyMasker(0.8)] });
    expect(given).toEqual([0.2, 0.8]);
  });
});

describe('masks found at one input size', () => {
  it('are refused at another, instead of read askew', async () => {
    const larger = randomImages({ ...network, inputShape: { channels: 3, height: 20, width: 20 } });
    const { masks } = await run(network, larger, { ...settings, masker: 'random' });
    const options = { device: 'v100', masks } as const;
    expect(() => predict(network, options)).toThrow(
      /the mask of block 0 \(block0\) has 36 cells over 20 x 20 pixels; .* over 13 x 11 are accepted/,
    );
    expect(() => makePlan(network, { masks })).toThrow(/20 x 20 pixels/);
    expect(predict(network, { ...options, height: 20, width: 20 }).blocks).toHaveLength(2);
  });
});
