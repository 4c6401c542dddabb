import { makePlan, run } from '@fovea/engine';
import { importOnnx, openDense, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import { attending, attentions } from '../support/attending.js';
import { backends } from '../support/backends.js';
import { randomImages, relativeError } from '../support/small-network.js';

describe.each(backends)('$name attends to pixels', ({ name: backend, missing }) => {
  for (const threads of [1, 3]) {
    it.skipIf(missing !== undefined).each(attentions)(
      `by %s, on ${threads} threads`,
      async (_, attention, maps) => {
        const network = attending(attention, maps);
        const images = randomImages(network, 2);
        const wanted = await run(network, images, { backend: 'reference' });
        const { output } = await run(network, images, { backend, threads });
        expect(relativeError(output.data, wanted.output.data)).toBeLessThan(1e-4);
      },
    );
  }
});

describe('an exported attention over pixels', () => {
  it.each(attentions)('by %s, in onnxruntime', async (_, attention, maps) => {
    const network = attending(attention, maps);
    const images = randomImages(network, 2);
    const wanted = await run(network, images, { backend: 'reference' });
    const [, height, width] = images.shape;
    const dense = await openDense(network, { batch: 2, height, width, threads: 1 });
    const { output } = await dense.run(images);
    await dense.dispose();
    expect(relativeError(output.data, wanted.output.data)).toBeLessThan(1e-4);
  });
});
