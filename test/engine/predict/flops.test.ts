import {
  customMasker,
  fixedMasker,
  type Masker,
  type Network,
  type Profile,
  predict,
  run,
} from '@fovea/engine';
import { maskGrid, networkShapes } from '@fovea/engine/backend';
import { fitMaskers } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { resolveMaskers } from '../../../engine/src/run/maskers.js';
import { backends } from '../support/backends.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const granularity = 3;
const network = smallNetwork();
const excited = smallNetwork({ excite: true, groups: 2 });
const scaledByPixels = smallNetwork({ excite: true, attention: 'pixels' });
const slidingLast = smallNetwork({ excite: true, attention: 'slide', exciteAfter: 2 });
const pooledShortcuts = smallNetwork({ pooledShortcut: true, height: 15, mapWidth: 17 });
const preactivated = smallNetwork({ kind: 'preactivated' });
const separable = smallNetwork({ kind: 'separable' });
const images = randomImages(network, 2);

/** A fixed mask of every other cell. */
function chequered(of: Network): Masker {
  const { height, width } = of.inputShape;
  const { blocks } = networkShapes(of, { batch: 2, height, width });
  return fixedMasker(
    blocks.map(({ outHeight, outWidth }) => {
      const { rows, columns } = maskGrid(outHeight, outWidth, granularity);
      return new Uint8Array(rows * columns).map((_, cell) => cell % 2);
    }),
  );
}

const positive = customMasker(({ pooled, shape, batch, rows, columns }) =>
  Array.from({ length: batch * rows * columns }, (_, cell) => pooled[cell * shape.inChannels]! > 0.3),
);

const maskers = (of: Network): readonly (readonly [string, readonly Masker[]])[] => [
  ['learned', resolveMaskers(of, { masker: 'learned' })],
  ['saliency', resolveMaskers(of, { masker: 'saliency', rate: 0.4 })],
  ['random', resolveMaskers(of, { masker: 'random', rate: 0.4 })],
  ['fixed', resolveMaskers(of, { masker: chequered(of) })],
  ['custom', resolveMaskers(of, { masker: positive })],
];

const decisions = ({ ops }: Profile) =>
  ops
    .filter(({ primitives }) => primitives.length === 1 && primitives[0] === 'mask')
    .reduce((sum, { flops }) => sum + flops, 0);

describe.each(backends.filter(({ name }) => name !== 'onnx'))(
  'FLOPs predicted for masks that are known equal those measured on $name',
  ({ name: backend, missing }) => {
    const there = it.skipIf(missing !== undefined);
    for (const [kind, of] of [
      ['plain', network],
      ['excited', excited],
      ['CBAM', scaledByPixels],
      ['ECA', slidingLast],
      ['ResNet-D', pooledShortcuts],
      ['preactivated', preactivated],
      ['separable', separable],
    ] as const) {
      for (const [name, list] of maskers(of)) {
        there.each(['unfused', 'lasnet', 'streamed', 'dense'])(
          `${name} masks of a ${kind} network, %s`,
          async (strategy) => {
            const images = randomImages(of, 2);
            const options = { strategy, granularity, excitation: 'active', threads: 1 } as const;
            const { profile, masks } = await run(of, images, { ...options, masker: list, backend });
            const predicted = predict(of, {
              ...options,
              ...{ device: 'cpu-avx2', batch: 2, maskers: list, masks },
            });
            expect(predicted.flops).toBeCloseTo(profile.flops, 0);
            expect(predicted.flopsAvoided).toBeCloseTo(profile.flopsAvoided, 0);
            for (const [i, { flops }] of profile.blocks.entries()) {
              expect(predicted.blocks[i]!.flops, `block ${i}`).toBeCloseTo(flops, 0);
            }
          },
        );
      }
    }
  },
);

describe.each(backends)('the cost of deciding on $name', ({ name: backend, missing }) => {
  it.skipIf(missing !== undefined)(
    'is counted where a known rule computes it, and nowhere else',
    async () => {
      const cost = async (masker: readonly Masker[]) =>
        decisions(
          (await run(network, images, { masker, granularity, backend, strategy: 'unfused' })).profile,
        );
      const costs = Object.fromEntries(
        await Promise.all(maskers(network).map(async ([name, list]) => [name, await cost(list)] as const)),
      );
      expect(costs).toMatchObject({ random: 0, fixed: 0, custom: 0 });
      expect(costs.learned).toBeGreaterThan(0);
      expect(costs.saliency).toBe(costs.learned);
    },
  );
});

describe('a prediction', () => {
  it('charges for a decision whose pool the block before has taken', () => {
    const withPool = predict(network, { strategy: 'streamed', device: 'cpu-avx2', rate: 0.5 });
    const without = predict(network, {
      ...{ strategy: 'streamed', device: 'cpu-avx2', rate: 0.5 },
      maskers: resolveMaskers(network, { masker: 'random' }),
    });
    const ofMasks = (profile: Profile) =>
      profile.ops.flatMap(({ primitives, flops }) => (primitives.join() === 'mask' ? [flops > 0] : []));
    expect(ofMasks(withPool)).toEqual([true, true, true, true]);
    expect(ofMasks(without)).toEqual([false, false, false, false]);
  });
});

describe('fitting', () => {
  it('gives the FLOPs that a run with the fitted maskers then does', async () => {
    const result = await fitMaskers(network, images, { rate: 0.4, granularity });
    const { profile } = await run(result.network, images, { strategy: 'unfused' });
    expect(result.flops).toBeCloseTo(profile.flops / (profile.flops + profile.flopsAvoided), 6);
  });
});
