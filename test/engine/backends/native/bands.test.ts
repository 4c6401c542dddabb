import { makePlan, type Profile, randomMasker, releaseNetwork, run, saliencyMasker } from '@fovea/engine';
import { getBackend, nativeBackendWith } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

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
  { kind: 'inverted' as const, width: 24, groups: 1, kernel: 7 },
  { kind: 'separable' as const, width: 24, groups: 1 },
];

describe('a stream of several bands', () => {
  describe.each(cases)(
    'of $kind blocks, width $width in $groups groups, kernel $kernel',
    ({ kind, width, groups, kernel = 3 }) => {
      const network = smallNetwork({
        kernel,
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
        // Threads compute parts of their own; where these meet in an image, both compute the rows at their border.
        for (const batch of [1, 2, 3]) {
          const several = randomImages(network, batch);
          const expected = await run(network, several, { ...options, strategy: 'unfused', threads: 1 });
          for (const threads of [1, 2, 3, 5]) {
            for (const strategy of ['streamed', 'lasnet', 'dense']) {
              if (strategy === 'dense' && rate < 1) continue;
              const { output } = await run(network, several, { ...options, strategy, threads });
              expect(output.data, `${strategy}, ${threads} threads, ${batch} images`).toEqual(
                expected.output.data,
              );
            }
          }
        }
      });

      native('agrees with the reference', async () => {
        const options = { masker: randomMasker(0.4), granularity: 2, strategy: 'streamed' };
        const expected = await run(network, images, { ...options, backend: 'reference' });
        const { output } = await run(network, images, { ...options, backend: 'native', threads: 1 });
        expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-5);
      });
    },
  );
});

/**
 * Checks that bands of one pixel take longer than one band of everything, two to five times as long: by the shortest of
 * times taken in turns on one thread, which what else the machine does leaves alone.
 */
async function expectSmallTakeLong(runWith: (bandPixels: number) => Promise<Profile>) {
  const least = { 1: Number.POSITIVE_INFINITY, [2 ** 30]: Number.POSITIVE_INFINITY };
  for (let turn = 0; turn < 12; turn++) {
    for (const bandPixels of [1, 2 ** 30] as const) {
      const { blocks } = await runWith(bandPixels);
      least[bandPixels] = Math.min(least[bandPixels]!, ...blocks.map(({ totalMs }) => totalMs));
    }
  }
  expect(least[1]).toBeGreaterThan(1.5 * least[2 ** 30]!);
}

describe('the size of bands that a session is given', () => {
  const network = smallNetwork({ strides: [1, 1, 2, 1] });
  const images = randomImages(network, 2);

  native.each([1, 3, 11, 2 ** 30])('changes nothing that is computed, %i pixels', async (bandPixels) => {
    for (const strategy of ['streamed', 'lasnet', 'dense']) {
      const options = { strategy, masker: saliencyMasker(0.5), granularity: 2, threads: 2 };
      const expected = await run(network, images, { ...options, backend: 'native' });
      const actual = await run(network, images, { ...options, backend: nativeBackendWith({ bandPixels }) });
      expect(actual.output.data).toEqual(expected.output.data);
      expect(actual.masks).toEqual(expected.masks);
    }
  });

  native(
    'gives way to what a plan says of its groups, which changes nothing that is computed either',
    async () => {
      const whole = nativeBackendWith({ bandPixels: 2 ** 30 });
      const large = smallNetwork({ strides: [1, 1], channels: 6, width: 6, height: 120, mapWidth: 120 });
      const planned = makePlan(large, { strategy: 'streamed' });
      const outputs: Float32Array[] = [];
      await expectSmallTakeLong(async (bandPixels) => {
        const blocks = planned.blocks.map((block) => ({
          ...block,
          groups: block.groups.map((group) => ({ ...group, bandPixels })),
        }));
        const plan = { ...planned, blocks };
        const options = { plan, masker: saliencyMasker(1), threads: 1, backend: whole };
        const { output, profile } = await run(large, randomImages(large), options);
        outputs.push(output.data);
        const notes = profile.ops.map(({ note }) => note ?? '');
        expect(notes).toContain(`nothing streams here, so there are no bands of ${bandPixels} pixels`);
        return profile;
      });
      for (const output of outputs) expect(output).toEqual(outputs[0]);
      await releaseNetwork(large);
    },
  );

  native('makes as many bands as it says: the smallest take longest', async () => {
    const large = smallNetwork({ strides: [1, 1], channels: 6, width: 6, height: 120, mapWidth: 120 });
    await expectSmallTakeLong(async (bandPixels) => {
      const backend = nativeBackendWith({ bandPixels });
      const options = { strategy: 'dense', masker: saliencyMasker(1), threads: 1, backend };
      return (await run(large, randomImages(large), options)).profile;
    });
    await releaseNetwork(large);
  });

  native.each([-1, 0.5, Number.NaN, 2 ** 31, '8' as unknown as number])(
    'is refused at %s',
    async (bandPixels) => {
      await expect(
        run(network, images, { backend: nativeBackendWith({ bandPixels }) }),
      ).rejects.toMatchObject({ code: 'bad-argument', message: expect.stringContaining('bandPixels') });
    },
  );
});
