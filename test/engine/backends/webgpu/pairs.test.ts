import { makePlan, randomMasker, resolveMaskers, run } from '@fovea/engine';
import { programOf, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeProgram } from '../../../../engine/src/backends/webgpu/encode.js';
import { GpuRun } from '../../../../engine/src/backends/webgpu/gpu-run.js';
import { PAIR_TILES, type PairTile, pairBytes } from '../../../../engine/src/backends/webgpu/kernels/pair.js';
import { pairOf } from '../../../../engine/src/backends/webgpu/pairs.js';
import { Tuning, tuningOf } from '../../../../engine/src/backends/webgpu/tuning.js';
import { type Pair, ruled } from '../../../../engine/src/backends/webgpu/variants.js';
import { useDataFolder } from '../../../support/data-folder.js';
import { missingOf } from '../../support/backends.js';
import {
  randomImages,
  relativeError,
  type SmallNetworkOptions,
  smallNetwork,
} from '../../support/small-network.js';
import { GuardedResident } from './guarded-resident.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);
const tuned = webgpuBackendWith({ tune: true });

useDataFolder();

const options = { masker: randomMasker(0.5), granularity: 2, strategy: 'streamed' } as const;

function programFor(network: ReturnType<typeof smallNetwork>, strategy: string, batch: number) {
  const { height, width } = network.inputShape;
  return programOf(network, { ...options, strategy, batch, height, width });
}

function pairsOf(network: ReturnType<typeof smallNetwork>, strategy = 'streamed', batch = 2): Pair[] {
  const { steps } = programFor(network, strategy, batch);
  return steps.flatMap(({ operations }) =>
    operations.flatMap((operation, at) => pairOf(operation, operations[at + 1]) ?? []),
  );
}

/** Makes a network's pairs one dispatch each, in the way of a tile, and its convolutions as the rule says. */
async function learn(network: ReturnType<typeof smallNetwork>, strategy: string, tile: PairTile | undefined) {
  const { name: adapter, driver, precision } = await openDevice('f32');
  const tuning = tuningOf({ adapter, driver, precision });
  for (const { operations } of programFor(network, strategy, 2).steps) {
    for (const operation of operations) {
      if (operation.kind === 'convolve') tuning.learn(operation, ruled.one(operation));
    }
  }
  for (const pair of pairsOf(network, strategy)) tuning.learnPair(pair, tile);
}

const bottleneck: SmallNetworkOptions = { channels: 100, width: 72, strides: [1, 2] };
const uneven: SmallNetworkOptions = { channels: 13, width: 10, strides: [1, 2] };

describe('two convolutions in one dispatch', { timeout: 300_000 }, () => {
  there.each(
    PAIR_TILES.flatMap((tile) =>
      (['streamed', 'dense'] as const).flatMap((strategy) =>
        [bottleneck, uneven].map((shape) => [tile.family, strategy, shape.channels, tile, shape] as const),
      ),
    ),
  )('%s, %s, %i channels: agrees with plain loops', async (_, strategy, __, tile, shape) => {
    const network = smallNetwork(shape);
    await learn(network, strategy, tile);
    const images = randomImages(network, 2);
    const expected = await run(network, images, { ...options, strategy, backend: 'reference' });
    const { output, profile } = await run(network, images, { ...options, strategy, backend: tuned });
    expect(profile.notes.join('\n')).toMatch(new RegExp(`2 ${tile.family}[,;]`));
    expect(profile.ops.filter(({ note }) => note?.includes('2 dispatches for 3 operations')).length).toBe(2);
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
  });

  there('writes inside its maps only, and the same as two dispatches where nobody looks', async () => {
    const network = smallNetwork(uneven);
    await learn(network, 'streamed', PAIR_TILES[0]);
    const images = randomImages(network, 2);
    const [batch, height, width] = images.shape;
    const maskers = resolveMaskers(network, options);
    const plan = makePlan(network, { ...options, maskers, batch, height, width });
    const resident = new GuardedResident(await openDevice('f32'), network, images.shape, true);
    await resident.upload();
    const program = await resident.programs.get(plan, maskers);
    const kernels = program.encoded.passes.flatMap(({ launches }) =>
      launches.map(({ kernel }) => kernel.name),
    );
    expect(kernels.filter((name) => name.startsWith('pair 64')).length).toBe(2);
    const { output } = await new GpuRun(resident, program, { plan, maskers, threads: 1 }, 0).finish(
      images,
      () => {
        throw new Error('the program is complete');
      },
    );
    expect(output.data.every(Number.isFinite)).toBe(true);
    expect(await resident.touched()).toBe(0);
  });

  there('is two dispatches where the device has no room, whatever was kept', async () => {
    // 600 channels between take more than 64 KiB beside 64 pixels.
    const network = smallNetwork({ channels: 12, width: 600, strides: [1], height: 3, mapWidth: 3 });
    await learn(network, 'streamed', PAIR_TILES[0]);
    const { limits } = (await openDevice('f32')).gpu;
    expect(limits.maxComputeWorkgroupStorageSize).toBeLessThan(pairBytes(PAIR_TILES[0]!, 150, 'f32'));
    const { profile } = await run(network, randomImages(network, 2), { ...options, backend: tuned });
    expect(profile.notes.join()).not.toContain('pair');
    expect(profile.ops.some(({ note }) => note?.includes('not fused on the GPU: 3 dispatches'))).toBe(true);
  });

  there('is timed against two dispatches, and kept', async () => {
    const network = smallNetwork({ channels: 24, width: 8, strides: [1] });
    const { name: adapter, driver, precision } = await openDevice('f32');
    const gpu = { adapter, driver, precision };
    const [pair] = pairsOf(network, 'streamed', 1);
    expect(tuningOf(gpu).knows(pair!)).toBe(false);
    await run(network, randomImages(network, 1), { ...options, backend: tuned });
    expect(tuningOf(gpu).knows(pair!)).toBe(true);
    expect(new Tuning(gpu).both(pair!)).toBe(tuningOf(gpu).both(pair!));
    tuningOf(gpu).learnPair(pair!, undefined);
    expect([tuningOf(gpu).knows(pair!), tuningOf(gpu).both(pair!)]).toEqual([true, undefined]);
  });
});

describe('what can be a pair', () => {
  const counts = (shape: SmallNetworkOptions) => pairsOf(smallNetwork(shape)).length;

  it('is a convolution and a 1x1 over the same pixels in one stream', () => {
    expect(counts({ strides: [1, 2, 1] })).toBe(3);
    for (const { first, second } of pairsOf(smallNetwork({ strides: [1] }))) {
      expect([first.convolution.kernel, second.convolution.kernel]).toEqual([
        [3, 3],
        [1, 1],
      ]);
    }
    // The second is 3x3; the first is depthwise; what lies between is excited; each is a pass of its own.
    expect(counts({ kind: 'basic' })).toBe(0);
    expect(counts({ kind: 'inverted', groups: 8 })).toBe(0);
    expect(counts({ excite: true })).toBe(0);
    expect(pairsOf(smallNetwork(), 'unfused')).toEqual([]);
  });

  it('takes a dispatch less for each, and no more memory than it was chosen for', () => {
    const network = smallNetwork({ strides: [1, 2, 1] });
    const program = programFor(network, 'streamed', 2);
    const [tile] = PAIR_TILES;
    const dispatches = (both: typeof ruled.both) =>
      encodeProgram(program, { ...ruled, both }).passes.reduce(
        (sum, { launches }) => sum + launches.length,
        0,
      );
    expect(dispatches(() => undefined) - dispatches(() => tile)).toBe(3);
    // The places, a slice of sources and weights, and 18 vectors for each of 64 rows.
    expect(pairBytes(tile!, 18, 'f32')).toBe(16 * (64 + 64 * 4 + 4 * 64) + 16 * 64 * 18);
  });
});
