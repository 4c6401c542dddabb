import { blocksOf, regionMasker } from '@fovea/engine';
import { type Dataset, generateDataset, measureAccuracy } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { smallNetwork } from '../support/small-network.js';

describe('accuracy of networks that take no squares in colour', () => {
  const network = { ...smallNetwork({ imageChannels: 1, height: 40, mapWidth: 72 }), labels: ['a', 'b'] };
  const scenes = () => generateDataset({ seed: 2, count: 3, size: { height: 40, width: 72 } });

  it('is measured on grey images of their size', async () => {
    const { images, agreement, blocks, latency } = await measureAccuracy(network, await scenes(), {
      ...{ rate: 0.5, masker: 'random', repeats: 1, batch: 2, device: 'cpu-avx2' },
    });
    expect(images).toBe(3);
    expect(agreement.top1).toBeLessThanOrEqual(1);
    expect(blocks.map(({ name }) => name)).toEqual(blocksOf(network).map(({ name }) => name));
    for (const { rate } of blocks) expect(rate).toBeCloseTo(0.5, 1);
    expect(latency.predicted!.ms.dense).toBeGreaterThan(0);
  });

  it('says on which part of an oblong image a stage computes', async () => {
    // The object is the left half of each image, and so is what masks keep.
    const plane = 40 * 72;
    const drawn = await scenes();
    const regions = Uint8Array.from({ length: 3 * plane }, (_, i) => (i % 72 < 36 ? 1 : 0));
    const dataset: Dataset = { ...drawn, regions };
    const left = regionMasker({ rows: 1, columns: 2, cells: Uint8Array.of(1, 0) });
    const { coverage } = await measureAccuracy(network, dataset, { masker: left, repeats: 1 });
    for (const { onObject, offObject } of coverage) {
      expect(onObject).toBeGreaterThan(0.94);
      expect(offObject).toBeLessThan(0.06);
    }
  });

  it('is refused of inputs that are no images', async () => {
    const { inputShape } = network;
    const five = { ...network, inputShape: { ...inputShape, channels: 5 } };
    await expect(measureAccuracy(five, await scenes())).rejects.toThrow(
      /takes 5 channels; images have 3, or 1/,
    );
  });
});
