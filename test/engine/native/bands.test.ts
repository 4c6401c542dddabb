import { getBackend, randomMasker, run } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

const native = it.skipIf(getBackend('native').unavailable !== undefined);

/**
 * Maps large enough, and weights small enough, for a stream to be cut into several bands: of what lies between two
 * passes only the rows still to be read are then kept.
 */
const cases = [
  { kind: 'bottleneck' as const, width: 24, groups: 1 },
  { kind: 'bottleneck' as const, width: 32, groups: 4 },
  { kind: 'basic' as const, width: 40, groups: 1 },
  { kind: 'inverted' as const, width: 24, groups: 1 },
];

describe('a stream of several bands', () => {
  describe.each(cases)('of $kind blocks, width $width in $groups groups', ({ kind, width, groups }) => {
    const network = smallNetwork({
      kind,
      width,
      groups,
      channels: width,
      height: 90,
      mapWidth: 71,
      strides: [1, 2, 1],
      learned: false,
    });
    const images = randomImages(network, 2);

    native.each([
      { S: 1, rate: 0.3 },
      { S: 4, rate: 0.5 },
      { S: 7, rate: 0.05 },
      { S: 3, rate: 1 },
    ])('computes what passes of their own compute, S = $S, rate $rate', async ({ S, rate }) => {
      const options = { masker: randomMasker(rate), granularity: S, backend: 'native' };
      const expected = await run(network, images, { ...options, strategy: 'unfused', threads: 1 });
      for (const threads of [1, 2]) {
        const { output } = await run(network, images, { ...options, strategy: 'streamed', threads });
        expect(output.data, `${threads} threads`).toEqual(expected.output.data);
      }
    });

    native('agrees with the reference', async () => {
      const options = { masker: randomMasker(0.4), granularity: 2, strategy: 'streamed' };
      const expected = await run(network, images, { ...options, backend: 'reference' });
      const { output } = await run(network, images, { ...options, backend: 'native', threads: 1 });
      expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-5);
    });
  });
});
