import { loadShippedModel, type Network, run } from '@fovea/engine';
import { compareMaskers, generateDataset, imagesOf } from '@fovea/engine/train';
import { beforeAll, describe, expect, it } from 'vitest';
import { bootstrap } from '../../../engine/src/train/bootstrap-interval.js';

describe('bootstrap intervals', () => {
  it('hold the mean, and are wider where values come in groups', () => {
    const values = Array.from({ length: 40 }, (_, i) => (Math.floor(i / 5) % 2 === 0 ? 1 : 0));
    const alone = bootstrap(values);
    const grouped = bootstrap(
      values,
      values.map((_, i) => Math.floor(i / 5)),
    );
    expect(alone.mean).toBe(0.5);
    expect(alone.low).toBeLessThan(0.5);
    expect(grouped.high - grouped.low).toBeGreaterThan(1.5 * (alone.high - alone.low));
    expect(bootstrap([1, 1, 1])).toEqual({ mean: 1, low: 1, high: 1 });
    // The normal approximation of a share of one half from 40: 0.5 ± 1.96 · 0.079.
    expect(alone.low).toBeCloseTo(0.345, 1);
  });
});

describe('masks at equal FLOPs', () => {
  let network: Network;
  beforeAll(async () => {
    network = await loadShippedModel();
  });

  it('have the FLOPs of the learned masks, and learned masks agree most', async () => {
    const data = await generateDataset({ seed: 11, count: 12, size: network.inputShape.height });
    const images = imagesOf(
      data,
      Array.from({ length: 8 }, (_, i) => i),
    );
    const calibration = imagesOf(
      data,
      Array.from({ length: 4 }, (_, i) => 8 + i),
    );
    const rows = await compareMaskers(network, images, { calibration, others: { again: network } });
    const { profile } = await run(network, images, { masker: 'learned' });
    expect(rows[0]!.flops).toBeCloseTo(profile.flops / (profile.flops + profile.flopsAvoided), 5);
    for (const { name, flops } of rows) {
      const more = flops - rows[0]!.flops;
      if (name.startsWith('dense')) {
        // Input sizes come in steps: the largest that takes no more, here of about a tenth of the FLOPs.
        expect(more).toBeLessThanOrEqual(0.001);
        expect(more).toBeGreaterThan(-0.12);
      } else {
        // Fitted thresholds were set on four other images, and these have other objects.
        expect(Math.abs(more)).toBeLessThan(name === 'fitted' ? 0.15 : 0.03);
      }
    }
    const [learned, again] = rows;
    expect(again).toEqual({ ...learned, name: 'again' });
    expect(learned!.behindFirst).toEqual({ mean: 0, low: 0, high: 0 });
    const random = rows.find(({ name }) => name === 'random')!;
    expect(random.behindFirst.mean).toBeGreaterThan(0);
    expect(random.behindFirst.mean).toBeCloseTo(learned!.agreement.mean - random.agreement.mean, 10);
  }, 240_000);

  it('refuse FLOPs out of range and labels that do not match', async () => {
    const images = imagesOf(await generateDataset({ seed: 1, count: 2, size: network.inputShape.height }), 2);
    await expect(compareMaskers(network, images, { flops: 1 })).rejects.toThrow(/flops 1/);
    await expect(compareMaskers(network, images, { labels: [1] })).rejects.toThrow(/one for each of the 2/);
  });
});
