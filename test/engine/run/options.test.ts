import {
  builtNetwork,
  fixedMasker,
  makePlan,
  predict,
  randomMasker,
  run,
  saliencyMasker,
} from '@fovea/engine';
import { searchGranularity } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { programOf } from '../../../engine/src/run/program-of.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const network = smallNetwork();
const images = randomImages(network);
const reference = { backend: 'reference' } as const;

describe('a plan', () => {
  const plan = makePlan(network, { strategy: 'lasnet' });

  it.each([
    [{ strategy: 'streamed' }, /plan "lasnet" and strategy streamed/],
    [{ granularity: 4 }, /plan "lasnet" and granularity 4/],
    [{ granularity: [4, 2] }, /plan "lasnet" and granularity 4,2/],
    [{ excitation: 'active' as const }, /plan "lasnet" and excitation active/],
  ])('does not silently win over what is given beside it: %j', async (beside, message) => {
    await expect(run(network, images, { ...reference, plan, ...beside })).rejects.toThrow(message);
    expect(() => programOf(network, { plan, ...beside })).toThrow(message);
    expect(() => predict(network, { device: 'v100', plan, ...beside })).toThrow(message);
  });

  it('is taken beside what it does not say', async () => {
    const { profile } = await run(network, images, { ...reference, plan, masker: 'random', rate: 0.3 });
    expect(profile.strategy).toBe('lasnet');
    expect(predict(network, { device: 'v100', plan, rate: 0.3 }).strategy).toBe('lasnet');
  });
});

describe('a rate or a seed', () => {
  const fixed = fixedMasker(new Map([[0, Uint8Array.of(1)]]));

  it.each([
    [{ rate: 0.3 }, /rate 0.3: learned masks have rates of their own/],
    [{ rate: 0.3, masker: 'learned' as const }, /rate 0.3: learned masks/],
    [{ rate: 0.3, masker: fixed }, /rate 0.3: fixed masks/],
    [{ rate: 0.3, masker: randomMasker(0.5) }, /rate 0.3: the masker given \(random at 0.5.*keeps to 0.5/],
    [{ seed: 3 }, /seed 3: learned masks draw nothing/],
    [{ seed: 3, masker: 'saliency' as const }, /seed 3: saliency masks draw nothing/],
    [{ seed: 3, masker: randomMasker(0.5) }, /seed 3: a masker given by value takes no other/],
  ])('that the masks would not follow is refused: %#', async (options, message) => {
    await expect(run(network, images, { ...reference, ...options })).rejects.toThrow(message);
  });

  it('is followed by masks that are drawn by it', async () => {
    for (const options of [
      { masker: 'random' as const, rate: 0, seed: 3 },
      { masker: 'saliency' as const, rate: 0 },
      { masker: saliencyMasker(0), rate: 0 },
    ]) {
      const { masks } = await run(network, images, { ...reference, ...options });
      for (const { cells } of masks) expect(cells).not.toContain(1);
    }
  });
});

describe('a search for masks that come without a pool', () => {
  const primitives = (needsPool: boolean) =>
    searchGranularity(builtNetwork('resnet18'), 'v100', { rate: 0.1, needsPool, strategies: ['streamed'] })
      .plan.blocks.filter(({ mode }) => mode === 'adaptive')
      .flatMap(({ groups }) => groups.flatMap((group) => group.primitives));

  it('plans none', () => {
    expect(primitives(true)).toContain('pool');
    expect(primitives(false)).toContain('mask');
    expect(primitives(false)).not.toContain('pool');
    expect(primitives(false)).not.toContain('next-pool');
  });

  it('takes one rate for all S or one for each, not both', () => {
    expect(() => searchGranularity(network, 'v100', { rate: 0.1, ratePerGranularity: { 1: 0.2 } })).toThrow(
      /rate 0.1: ratePerGranularity says/,
    );
  });
});
