import {
  customMasker,
  type Masker,
  type MaskerContext,
  type Network,
  randomMasker,
  run,
  type Tensor,
} from '@fovea/engine';
import { type Backend, splitStep, webgpuBackend, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { missingOf } from '../../support/backends.js';
import { denseFirst, rewritten } from '../../support/rewrites.js';
import {
  randomImages,
  relativeError,
  type SmallNetworkOptions,
  smallNetwork,
} from '../../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);
const half = webgpuBackendWith({ precision: 'f16' });
const f16 = it.skipIf((await half.check!()) !== undefined);

const WHOLE = Number.POSITIVE_INFINITY;

/** Where a masker of a person's own runs: the backend that asks it, and what that computes. */
interface Place {
  readonly network: Network;
  readonly images: Tensor;
  readonly backend: Backend | string;
}

const striped = (count: number, start: number) =>
  Array.from({ length: count }, (_, i) => (i + start) % 3 === 0);

/** By what it does before it answers. */
const maskers = {
  'reads the pool': () =>
    customMasker(async ({ block, batch, rows, columns, pooled }) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const channels = block.branch[0]!.inChannels;
      return Float32Array.from({ length: batch * rows * columns }, (_, i) =>
        Math.sin(7 * pooled[i * channels]!),
      );
    }),
  'answers beforehand': () =>
    customMasker(({ block, batch, rows, columns }) => striped(batch * rows * columns, block.index), {
      needsPool: false,
    }),
  'runs the same network': ({ network, images, backend }: Place) =>
    customMasker(async ({ batch, rows, columns }) => {
      const options = { backend, masker: randomMasker(0.3), granularity: 2, strategy: 'lasnet' };
      const { output } = await run(network, images, options);
      return striped(batch * rows * columns, output.shape[0]);
    }),
  'runs others at once': ({ backend }: Place) =>
    customMasker(async ({ block, batch, rows, columns }) => {
      const others = [1, 2].map((seed) => smallNetwork({ seed, strides: [1] }));
      await Promise.all(others.map((other) => run(other, randomImages(other, 1), { backend })));
      return striped(batch * rows * columns, block.index);
    }),
} satisfies Record<string, (place: Place) => Masker>;

const split = rewritten(
  'split',
  (steps) => {
    const long = steps.find(({ operations }) => operations.length > 1);
    return long ? splitStep(steps, long) : steps;
  },
  'streamed',
);

const uneven = { height: 13, mapWidth: 20 };
const excited = { ...uneven, excite: true };

type Trial = readonly [
  masker: keyof typeof maskers | readonly (keyof typeof maskers)[],
  network: SmallNetworkOptions,
  batch: number,
  options: Pick<Parameters<typeof run>[2] & object, 'granularity' | 'strategy' | 'excitation'>,
];

const trials: readonly Trial[] = [
  [
    ['reads the pool', 'answers beforehand'],
    { ...excited, strides: [1, 2] },
    3,
    { granularity: [2, WHOLE], strategy: split, excitation: 'active' },
  ],
  [
    'runs the same network',
    { ...uneven, kind: 'basic', strides: [1, 2, 2] },
    5,
    { granularity: [WHOLE, 3, 1], strategy: denseFirst },
  ],
  [
    'runs others at once',
    { ...excited, kind: 'preactivated', strides: [2, 1], attention: 'pixels' },
    2,
    { granularity: [7, WHOLE], strategy: 'lasnet', excitation: 'active' },
  ],
  [
    'answers beforehand',
    { ...uneven, kind: 'separable', strides: [1, 2] },
    2,
    { granularity: [2, 3], strategy: 'streamed' },
  ],
  [
    ['answers beforehand', 'runs the same network', 'reads the pool'],
    { ...excited, kind: 'inverted', strides: [1, 1, 2] },
    4,
    { granularity: [3, WHOLE, 2], strategy: 'unfused', excitation: 'active' },
  ],
];

async function bothOf([names, shape, batch, options]: Trial, backend: Backend) {
  const network = smallNetwork(shape);
  const images = randomImages(network, batch);
  const runOn = (place: Backend | string) => {
    const made = [names].flat().map((name) => maskers[name]({ network, images, backend: place }));
    return run(network, images, {
      ...options,
      backend: place,
      masker: made.length > 1 ? made : made[0]!,
    });
  };
  return { expected: await runOn('reference'), ours: await runOn(backend) };
}

/** A software driver compiles shaders for seconds each, on a busy machine for much longer. */
describe('backend webgpu, as the reference computes', { timeout: 300_000 }, () => {
  there.each(trials)('a masker that %s', async (...trial) => {
    const { expected, ours } = await bothOf(trial, webgpuBackend);
    expect(relativeError(ours.output.data, expected.output.data)).toBeLessThan(1e-4);
    expect(ours.masks.map(({ cells }) => cells)).toEqual(expected.masks.map(({ cells }) => cells));
    expect(ours.profile.flops).toBeCloseTo(expected.profile.flops, 3);
    expect(ours.profile.blocks.map(({ rate }) => rate)).toEqual(
      expected.profile.blocks.map(({ rate }) => rate),
    );
  });

  // What reads the pool may decide otherwise near its threshold.
  f16.each(trials.filter(([name]) => ![name].flat().includes('reads the pool')))(
    'in f16, a masker that %s',
    async (...trial) => {
      const { expected, ours } = await bothOf(trial, half);
      expect(relativeError(ours.output.data, expected.output.data)).toBeLessThan(5e-3);
      expect(ours.masks.map(({ cells }) => cells)).toEqual(expected.masks.map(({ cells }) => cells));
    },
  );

  there.each([
    [
      'at once',
      () => {
        throw new RangeError('no mask today');
      },
    ],
    ['later', () => Promise.reject(new RangeError('no mask today'))],
  ] as const)('hands on what a masker throws in the middle of a run, %s, and runs again', async (_, fail) => {
    const network = smallNetwork();
    const images = randomImages(network, 2);
    const options = { backend: 'webgpu', granularity: 2 } as const;
    const answer = ({ batch, rows, columns }: MaskerContext) => striped(batch * rows * columns, 0);
    const good = customMasker(answer);
    const before = await run(network, images, { ...options, masker: good });
    const bad = customMasker((context) => (context.block.index === 2 ? fail() : answer(context)));
    await expect(run(network, images, { ...options, masker: bad })).rejects.toThrow(
      new RangeError('no mask today'),
    );
    expect((await run(network, images, { ...options, masker: good })).output.data).toEqual(
      before.output.data,
    );
  });

  there('ends a run whose masker never answers when it is aborted, and runs again', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 2);
    const options = { backend: 'webgpu', granularity: 2 } as const;
    const controller = new AbortController();
    const never = customMasker(() => {
      controller.abort();
      return new Promise(() => undefined);
    });
    await expect(
      run(network, images, { ...options, masker: never, signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'aborted' });
    const again = await run(network, images, { ...options, masker: randomMasker(0.5) });
    expect(again.output.shape[0]).toBe(2);
  });
});
