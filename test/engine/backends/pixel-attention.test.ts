import { run } from '@fovea/engine';
import { openDense } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import { attending, attentions } from '../support/attending.js';
import { backends } from '../support/backends.js';
import { randomImages, relativeError } from '../support/small-network.js';

describe.each(attentions)('attention over pixels, %s,', (_, attention, maps) => {
  const network = attending(attention, maps);
  const images = randomImages(network, 2);
  const wanted = run(network, images, { backend: 'reference' });

  for (const { name: backend, missing } of backends) {
    it.skipIf(missing !== undefined)(`is that of the reference on ${backend}`, async () => {
      for (const threads of [1, 3]) {
        const { output, profile } = await run(network, images, { backend, threads });
        expect(relativeError(output.data, (await wanted).output.data)).toBeLessThan(1e-4);
        expect(profile.ops.find(({ name }) => name === 'attended')).toMatchObject({ dataMs: 0 });
      }
    });
  }

  it('is that of onnxruntime where it is exported', async () => {
    const [, height, width] = images.shape;
    const dense = await openDense(network, { batch: 2, height, width, threads: 1 });
    const { output } = await dense.run(images);
    await dense.dispose();
    expect(relativeError(output.data, (await wanted).output.data)).toBeLessThan(1e-4);
  });
});
