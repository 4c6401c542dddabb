import { run, saliencyMasker } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { missingOf } from '../../support/backends.js';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

/** Cells of pixels, more than a workgroup has invocations, or fewer. */
const sizes = [
  { height: 37, mapWidth: 41 },
  { height: 16, mapWidth: 16 },
  { height: 16, mapWidth: 17 },
] as const;

describe('saliency on the GPU', { timeout: 300_000 }, () => {
  there.each(sizes)('keeps the cells that the reference keeps: $height x $mapWidth', async (size) => {
    const network = smallNetwork({ ...size, strides: [1] });
    const images = randomImages(network, 3);
    // All cells of the second image are equal but for those at its border: the earlier ones are kept.
    const image = images.data.length / 3;
    images.data.fill(0.5, image, 2 * image);
    for (const rate of [0, 1e-3, 0.3, 0.77, 1]) {
      const options = { masker: saliencyMasker(rate), granularity: 1 };
      const expected = await run(network, images, { ...options, backend: 'reference' });
      const { masks, output } = await run(network, images, { ...options, backend: 'webgpu' });
      const [mask, other] = [masks[0]!, expected.masks[0]!];
      const plane = mask.rows * mask.columns;
      for (let n = 0; n < 3; n++) {
        const kept = mask.cells.subarray(n * plane, (n + 1) * plane).reduce((sum, cell) => sum + cell, 0);
        expect(kept).toBe(Math.round(rate * plane));
      }
      expect(mask.cells).toEqual(other.cells);
      expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
    }
  });
});
