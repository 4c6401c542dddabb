import { randomMasker, run } from '@fovea/engine';
import { getBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

const { unavailable } = getBackend('native');
const there = it.skipIf(unavailable !== undefined);

/**
 * 3x3 convolutions of 16 channels and more take the way over squares of pixels where a mask fills the squares
 * well enough; the maps here are odd, the channels no multiple of a vector, and the masks leave squares partly
 * empty.
 */
const cases = [
  { kind: 'bottleneck' as const, width: 20, S: 1, rate: 0.85 },
  { kind: 'bottleneck' as const, width: 20, S: 3, rate: 0.6 },
  { kind: 'bottleneck' as const, width: 33, S: Number.POSITIVE_INFINITY, rate: 1 },
  { kind: 'basic' as const, width: 20, S: 1, rate: 0.9 },
  { kind: 'basic' as const, width: 17, S: 2, rate: 0.5 },
  { kind: 'basic' as const, width: 24, S: 5, rate: 0.7 },
];

describe('convolutions over squares of pixels', () => {
  describe.each(cases)('$kind, $width channels, S = $S, rate $rate', ({ kind, width, S, rate }) => {
    const network = smallNetwork({ kind, width, channels: width, height: 15, mapWidth: 13, learned: false });
    const images = randomImages(network, 2);
    const options = { masker: randomMasker(rate), granularity: S };

    there.each(['dense', 'unfused', 'lasnet', 'streamed'])(
      'agree with the reference, %s',
      async (strategy) => {
        const expected = await run(network, images, { ...options, strategy, backend: 'reference' });
        const { output } = await run(network, images, {
          ...options,
          strategy,
          backend: 'native',
          threads: 1,
        });
        expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-5);
      },
    );

    there('give the same bits for 1, 2 and 3 threads', async () => {
      const outputs = await Promise.all(
        [1, 2, 3].map((threads) => run(network, images, { ...options, backend: 'native', threads })),
      );
      for (const { output } of outputs) expect(output.data).toEqual(outputs[0]!.output.data);
    });
  });

  there('reduce more channels than one block of weights holds', async () => {
    const network = smallNetwork({
      kind: 'basic',
      width: 300,
      channels: 300,
      height: 7,
      mapWidth: 9,
      strides: [1],
      learned: false,
    });
    const images = randomImages(network);
    const expected = await run(network, images, { strategy: 'dense', backend: 'reference' });
    const { output } = await run(network, images, { strategy: 'dense', backend: 'native', threads: 2 });
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-5);
  });
});
