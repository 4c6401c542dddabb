import {
  blocksOf,
  customMasker,
  fixedMasker,
  type Network,
  predict,
  randomMasker,
  run,
  Tensor,
} from '@fovea/engine';
import { maskGrid, networkShapes, spreadCells } from '@fovea/engine/backend';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adaptivePool } from '../../../engine/src/mask/adaptive-pool.js';
import { denseThenMask } from '../support/dense-then-mask.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

const reference = { backend: 'reference' } as const;

describe('the reference backend', () => {
  it.each([0, 0.1, 0.5, 1])('computes dense-then-mask at rate %s, for every strategy', async (rate) => {
    const network = smallNetwork();
    const images = randomImages(network, 2);
    const masker = randomMasker(rate);
    const expected = await denseThenMask(network, images, masker, 2);
    for (const strategy of ['unfused', 'lasnet', 'streamed']) {
      const { output, masks } = await run(network, images, {
        ...reference,
        strategy,
        masker,
        granularity: 2,
      });
      expect(relativeError(output.data, expected.logits)).toBeLessThan(1e-5);
      expect(masks.map((mask) => mask.cells)).toEqual(expected.cells);
    }
  });

  it('agrees with dense-then-mask on random shapes, strides, groups, kinds and S', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer({ min: 1, max: 1e6 }),
          kind: fc.constantFrom('bottleneck' as const, 'basic' as const, 'inverted' as const),
          groups: fc.constantFrom(1, 2, 4),
          height: fc.integer({ min: 5, max: 14 }),
          mapWidth: fc.integer({ min: 5, max: 14 }),
          strides: fc.array(fc.constantFrom(1, 2), { minLength: 1, maxLength: 3 }),
        }),
        fc.constantFrom(1, 2, 3, 4, 7, Number.POSITIVE_INFINITY),
        fc.constantFrom(0.1, 0.5),
        async (shape, granularity, rate) => {
          const network = smallNetwork(shape);
          const images = randomImages(network);
          const masker = randomMasker(rate, shape.seed);
          const expected = await denseThenMask(network, images, masker, granularity);
          const { output } = await run(network, images, {
            ...reference,
            strategy: 'lasnet',
            masker,
            granularity,
          });
          expect(relativeError(output.data, expected.logits)).toBeLessThan(1e-5);
        },
      ),
      { numRuns: 40, seed: 11 },
    );
  });

  it('uses the learned maskers of a network by default, deciding on what the block really receives', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 2);
    const seen: number[] = [];
    const spy = customMasker(({ block, pooled, batch, rows, columns }) => {
      const { weight, bias } = block.masker!;
      seen.push(block.index);
      return Array.from({ length: batch * rows * columns }, (_, cell) =>
        weight.reduce((margin, w, c) => margin + w * pooled[cell * weight.length + c]!, bias),
      );
    });
    const [byName, byHand] = [
      await run(network, images, reference),
      await run(network, images, { ...reference, masker: spy }),
    ];
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(byName.masks.map((mask) => mask.cells)).toEqual(byHand.masks.map((mask) => mask.cells));
    const kept = byName.masks[1]!.cells.reduce((sum, cell) => sum + cell, 0);
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(byName.masks[1]!.cells.length);
  });

  it('skips every branch at rate 0: only shortcuts reach the output', async () => {
    const network = smallNetwork({ strides: [1, 1] });
    const images = randomImages(network);
    const { output, profile } = await run(network, images, { ...reference, masker: 'random', rate: 0 });
    const withoutBranches = await denseThenMask(network, images, randomMasker(0), 1);
    expect(relativeError(output.data, withoutBranches.logits)).toBeLessThan(1e-6);
    const branch = profile.ops.filter((op) =>
      op.primitives.some((primitive) => primitive.startsWith('conv')),
    );
    expect(branch.reduce((sum, op) => sum + op.flops, 0)).toBe(0);
  });

  it('pools squeeze-and-excitation over the dense map, or over active pixels, as asked, and says which', async () => {
    const network = smallNetwork({ excite: true });
    const images = randomImages(network);
    const masker = randomMasker(0.5);
    const exact = await run(network, images, { ...reference, masker, granularity: 3 });
    const active = await run(network, images, { ...reference, masker, granularity: 3, excitation: 'active' });
    const expected = await denseThenMask(network, images, masker, 3);
    expect(relativeError(exact.output.data, expected.logits)).toBeLessThan(1e-5);
    expect(relativeError(active.output.data, exact.output.data)).toBeGreaterThan(1e-4);
    expect(exact.profile.notes.join()).toContain('(exact)');
    expect(active.profile.notes.join()).toContain('(active)');
  });

  it('accounts for the FLOPs it did and those it avoided', async () => {
    const network = smallNetwork();
    const images = randomImages(network);
    const dense = await run(network, images, { ...reference, strategy: 'dense' });
    const half = await run(network, images, {
      ...reference,
      strategy: 'unfused',
      masker: 'random',
      rate: 0.5,
      granularity: 3,
    });
    expect(dense.profile.flopsAvoided).toBe(0);
    const maskers = half.profile.ops
      .filter((op) => op.primitives[0] === 'mask')
      .reduce((sum, op) => sum + op.flops, 0);
    expect(half.profile.flops + half.profile.flopsAvoided).toBe(dense.profile.flops);
    expect(maskers).toBe(0);
    expect(half.profile.flops).toBeLessThan(dense.profile.flops);
    for (const block of half.profile.blocks)
      expect(block.dilatedRate).toBeGreaterThanOrEqual(block.rate - 1e-9);
  });

  it('runs another input size than the nominal one, not square', async () => {
    const network = smallNetwork();
    const images = randomImages({ ...network, inputShape: { channels: 3, height: 9, width: 20 } });
    const { output, masks } = await run(network, images, {
      ...reference,
      masker: 'saliency',
      rate: 0.4,
      granularity: 2,
    });
    expect(output.shape).toEqual([1, 1, 1, 10]);
    expect(masks[0]).toMatchObject({ rows: 4, columns: 10, height: 9, width: 20 });
  });
});

describe('bad input to run', () => {
  const network = smallNetwork();
  const images = randomImages(network);
  const refused = (
    options: object,
    message: string | RegExp,
    input: Tensor = images,
    of: Network = network,
  ) => expect(run(of, input, { ...reference, ...options })).rejects.toThrow(message);

  it('is refused with the value named', async () => {
    await refused({ threads: 0 }, 'threads 0');
    await refused({ threads: 257 }, 'threads 257: an integer from 1 to 256 is accepted');
    expect(() => predict(network, { device: 'cpu-avx2', threads: 257 })).toThrow('threads 257: an integer');
    await refused({ masker: 'random', rate: 1.5 }, 'activation rate 1.5');
    await refused({ granularity: 0 }, 'granularity S = 0');
    await refused({ granularity: [1, 2, 3] }, '3 granularities given');
    await refused({ strategy: 'fast' }, 'unknown strategy "fast"');
    await refused({ backend: 'cuda' }, 'unknown backend "cuda"');
    await refused({ masker: 'magic' }, 'unknown masker "magic"');
    await refused({}, 'input of 1 channels', Tensor.zeros([1, 8, 8, 1]));
    await refused({ masker: fixedMasker([]) }, 'fixed mask of block 0');
    await refused({ masker: 'learned' }, 'has none', images, smallNetwork({ learned: false }));
  });

  it('NaN in the image is found', async () => {
    const broken = randomImages(network);
    broken.data[17] = Number.NaN;
    await refused({}, 'input value 17 is NaN', broken);
  });

  it('an aborted signal stops the run', async () => {
    const controller = new AbortController();
    const running = run(network, images, {
      ...reference,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('the pool that maskers read', () => {
  it('averages the windows floor(i·n/G) … ceil((i+1)·n/G) − 1, which may overlap', () => {
    const input = new Tensor([1, 1, 5, 1], Float32Array.from([1, 2, 3, 4, 5]));
    expect([...adaptivePool(input, { rows: 1, columns: 2 })]).toEqual([2, 4]);
    expect([...adaptivePool(input, { rows: 1, columns: 5 })]).toEqual([1, 2, 3, 4, 5]);
  });

  it('is over the block’s input map, for a grid from its output map', () => {
    const strided = smallNetwork({ strides: [2], height: 8, mapWidth: 8 });
    const shape = networkShapes(strided, { batch: 1, height: 8, width: 8 }).blocks[0]!;
    const grid = maskGrid(shape.outHeight, shape.outWidth, 1);
    expect([shape.inHeight, grid.rows, blocksOf(strided).length]).toEqual([8, 4, 1]);
    expect(spreadCells(new Uint8Array(16).fill(1), grid, 1, 4, 4)).toEqual(new Uint8Array(16).fill(1));
  });
});
