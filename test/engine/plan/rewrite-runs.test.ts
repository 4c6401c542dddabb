import {
  blocksOf,
  builtNetwork,
  type Device,
  getDevice,
  getStrategy,
  type Masker,
  makePlan,
  predict,
  randomMasker,
  run,
  type Strategy,
} from '@fovea/engine';
import { nativeBackendWith, type Rewrite, splitStep } from '@fovea/engine/backend';
import { searchGranularity } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { everyMasker } from '../support/every-masker.js';
import { denseFirst, rewritten } from '../support/rewrites.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

const network = smallNetwork();
const kinds = ['bottleneck', 'basic', 'inverted'] as const;

describe('rewrites of one name', () => {
  const images = randomImages(network, 1);
  /** A rewrite that splits streams or does not, as it is said at the moment. */
  const fickle = { splits: true };
  const splitting: Rewrite['apply'] = (steps) =>
    fickle.splits ? steps.flatMap((step) => splitStep([step], step)) : steps;
  const strategy = rewritten('fickle', splitting, 'streamed');
  const plan = Object.freeze(makePlan(network, { strategy }));
  const device: Device = { ...getDevice('cpu-avx2'), name: 'fickle' };

  it.each(backends)(
    'never share a program, nor does one that answers otherwise: $name',
    async ({ name, missing }) => {
      if (missing) return;
      const passes = async (masker: Masker) => {
        const { profile } = await run(network, images, { plan, masker, backend: name, threads: 1 });
        return profile.ops.filter((op) => op.note?.includes('rewritten by "fickle"')).length;
      };
      const masker = randomMasker(0.5, 1);
      fickle.splits = true;
      const split = await passes(masker);
      fickle.splits = false;
      const whole = await passes(masker);
      expect([split > 0, whole]).toEqual([true, 0]);
      fickle.splits = true;
      expect(await passes(masker)).toBe(split);
    },
  );

  it('are costed by what they answer, whole networks and single blocks', () => {
    const everywhere: Rewrite['apply'] = (steps) =>
      steps.map((step) => ({
        ...step,
        operations: step.operations.map((operation) => {
          if (operation.kind !== 'convolve' || operation.convolution !== blocksOf(network)[1]!.branch[0])
            return operation;
          const { region, ...rest } = operation;
          return rest;
        }),
      }));
    const [a, b] = [
      rewritten('same', (steps) => steps, 'streamed'),
      rewritten('same', everywhere, 'streamed'),
    ];
    const ms = (of: Strategy) => predict(network, { device, strategy: of, rate: 0.1 }).totalMs;
    expect(ms(a)).toBe(ms(getStrategy('streamed')));
    expect(ms(b)).toBeGreaterThan(ms(a));
    expect(ms(a)).toBe(ms(getStrategy('streamed')));
    const found = (of: Strategy) =>
      searchGranularity(network, device, {
        strategies: [of],
        rate: 0.1,
        granularities: [2],
      }).blocks[1]!.candidates.find(({ mode }) => mode === 'adaptive')!.totalMs;
    expect(found(b)).toBeGreaterThan(found(a));
    expect(found(a)).toBe(found(getStrategy('streamed')));
  });
});

describe('a search', () => {
  it('tries strategies with a rewrite, and its plan runs', async () => {
    const searched = searchGranularity(network, 'cpu-avx2', {
      ...{ strategies: [denseFirst], rate: 0.2, granularities: [2], batch: 1 },
    });
    expect(searched.blocks[1]!.candidates.map(({ strategy }) => strategy)).toContain('dense first');
    const images = randomImages(network, 1);
    const { output } = await run(network, images, { plan: searched.plan, masker: randomMasker(0.5, 1) });
    expect(output.data.every(Number.isFinite)).toBe(true);
  });
});

describe.each(backends)(
  'a dense conv1 streamed with sparse convolutions: $name',
  ({ name: backend, missing }) => {
    const there = it.skipIf(missing !== undefined);
    for (const kind of kinds) {
      for (const [masks, options] of everyMasker) {
        there(`${kind}, ${masks} masks, odd sizes, one image and a batch`, { timeout: 120_000 }, async () => {
          const all = [
            { height: 13, mapWidth: 11 },
            { height: 31, mapWidth: 18 },
            { height: 8, mapWidth: 40 },
          ];
          for (const size of backend === 'native' ? all : all.slice(0, 1)) {
            const net = smallNetwork({ kind, ...size, channels: 20, width: 20 });
            const images = randomImages(net, 2);
            const plain = await run(net, images, { ...options, strategy: 'unfused', backend });
            for (const threads of backend === 'native' ? [1, 2] : [1]) {
              for (const bandPixels of backend === 'native' ? [0, 1, 7, 24, 90] : [0]) {
                const on = bandPixels > 0 ? nativeBackendWith({ bandPixels }) : backend;
                const streamed = await run(net, images, {
                  ...options,
                  strategy: denseFirst,
                  backend: on,
                  threads,
                });
                expect(streamed.masks.map(({ cells }) => [...cells])).toEqual(
                  plain.masks.map(({ cells }) => [...cells]),
                );
                expect(relativeError(streamed.output.data, plain.output.data)).toBeLessThan(1e-4);
              }
            }
          }
        });
      }
    }
  },
);

describe('at the sizes that people use', () => {
  const native = it.skipIf(backends.find(({ name }) => name === 'native')?.missing !== undefined);
  native.each(['resnet50', 'resnet18', 'mobilenet_v2'])('%s', { timeout: 120_000 }, async (name) => {
    const net = builtNetwork(name);
    const images = randomImages(net, 1);
    const options = { masker: randomMasker(0.4, 1), granularity: 4, rate: 0.4 };
    const plain = await run(net, images, { ...options, strategy: 'unfused', threads: 2 });
    for (const threads of [1, 2]) {
      const { output } = await run(net, images, { ...options, strategy: denseFirst, threads });
      expect(relativeError(output.data, plain.output.data)).toBeLessThan(1e-4);
    }
  });
});
