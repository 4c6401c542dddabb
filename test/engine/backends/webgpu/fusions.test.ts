import { makePlan, type Network, randomMasker, resolveMaskers, run } from '@fovea/engine';
import { programOf, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeProgram } from '../../../../engine/src/backends/webgpu/encode.js';
import { type Fusion, fusionsAt, kindOf, tilesFor } from '../../../../engine/src/backends/webgpu/fusions.js';
import { GpuRun } from '../../../../engine/src/backends/webgpu/gpu-run.js';
import type { Precision } from '../../../../engine/src/backends/webgpu/kernel.js';
import {
  FUSION_TILES,
  type FusionTile,
  fusedBytes,
} from '../../../../engine/src/backends/webgpu/kernels/fusion.js';
import { Tuning, tuningOf } from '../../../../engine/src/backends/webgpu/tuning.js';
import { ruled } from '../../../../engine/src/backends/webgpu/variants.js';
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
const halfThere = it.skipIf((await webgpuBackendWith({ precision: 'f16' }).check!()) !== undefined);
const tuned = webgpuBackendWith({ tune: true });

useDataFolder();

const BATCH = 2;
const options = { masker: randomMasker(0.5), granularity: 2, strategy: 'streamed' } as const;

type Trial = Partial<Omit<typeof options, 'granularity' | 'strategy'>> & {
  readonly granularity?: number;
  readonly strategy?: string;
  readonly excitation?: 'exact' | 'active';
};

function programFor(network: Network, trial: Trial, batch = BATCH) {
  const { height, width } = network.inputShape;
  return programOf(network, { ...options, ...trial, batch, height, width });
}

function fusionsOf(network: Network, trial: Trial = {}, batch = BATCH): Fusion[] {
  return programFor(network, trial, batch).steps.flatMap(({ operations }) =>
    operations.flatMap((_, at) => fusionsAt(operations, at)),
  );
}

async function thisGpu(precision: Precision = 'f32') {
  return (await openDevice(precision)).tunedOn;
}

/** Makes a network's convolutions what the rule says, so that a run need not time them. */
async function learnRule(network: Network, trial: Trial = {}, precision?: Precision, batch = BATCH) {
  const tuning = tuningOf(await thisGpu(precision));
  for (const { operations } of programFor(network, trial, batch).steps) {
    for (const operation of operations) {
      if (operation.kind === 'convolve') tuning.learn(operation, ruled.one(operation));
    }
  }
  return tuning;
}

/** Makes a network's fusions of a kind one dispatch each, in the way of a tile, and all else as the rule says. */
async function learn(network: Network, trial: Trial, tile: FusionTile, precision?: Precision): Promise<void> {
  const tuning = await learnRule(network, trial, precision);
  for (const fusion of fusionsOf(network, trial)) {
    tuning.learnFusion(
      fusion,
      tilesFor(fusion, 'f32', 32_768).find((one) => one === tile),
    );
  }
}

const [rows64, , , square8, square4] = FUSION_TILES;
const rows = FUSION_TILES.filter(({ side }) => side === undefined);

/** Maps of several tiles of each kind, none of them full at the edges; a larger one only takes longer. */
const map = { height: 10, mapWidth: 9 };
const bottleneck: SmallNetworkOptions = { ...map, channels: 100, width: 72, strides: [1, 2] };
const uneven: SmallNetworkOptions = { ...map, channels: 13, width: 10, strides: [1, 2] };
const basic: SmallNetworkOptions = { ...map, kind: 'basic', channels: 13, width: 18, strides: [1, 1, 2] };
const inverted: SmallNetworkOptions = {
  ...map,
  kind: 'inverted',
  channels: 13,
  width: 70,
  strides: [1, 1, 2, 1],
};

/** Shapes, tiles, how many fusions are one dispatch each, and what else there is to a run. */
const trials: readonly (readonly [string, FusionTile, SmallNetworkOptions, number, Trial])[] = [
  ...rows.flatMap((tile) =>
    (['streamed', 'dense'] as const).flatMap((strategy) =>
      [bottleneck, uneven].map((shape) => ['bottleneck', tile, shape, 2, { strategy }] as const),
    ),
  ),
  ['inverted, its last two', rows64!, inverted, 4, { granularity: 4 }],
  ['inverted, 5x5, its last two', rows64!, { ...inverted, kernel: 5, width: 12 }, 4, {}],
  ...[square8!, square4!].flatMap((tile) => [
    ...[1, 2, 3, 5, Number.POSITIVE_INFINITY].map(
      (granularity) => ['basic', tile, basic, 3, { granularity }] as const,
    ),
    ...[0, 1].map((rate) => ['basic', tile, basic, 3, { masker: randomMasker(rate) }] as const),
    ['basic', tile, basic, 3, { strategy: 'dense' }] as const,
    ['bottleneck, all three', tile, uneven, 2, { granularity: 3 }] as const,
  ]),
  ...[1, 2, 3, 5, Number.POSITIVE_INFINITY].map(
    (granularity) => ['inverted', square4!, inverted, 4, { granularity }] as const,
  ),
  ...[0, 1].map((rate) => ['inverted', square4!, inverted, 4, { masker: randomMasker(rate) }] as const),
  ['inverted', square4!, inverted, 4, { strategy: 'dense' }],
  ['inverted, 5x5', square4!, { ...inverted, kernel: 5, width: 12 }, 4, {}],
  // Of stride 2, a square of 8 reads 17 pixels each way: more than there is room for.
  ['inverted', square8!, { ...inverted, width: 30 }, 3, { granularity: 3 }],
  ...(['exact', 'active'] as const).flatMap((excitation) => [
    ['inverted, excited', square4!, { ...inverted, excite: true }, 4, { excitation }] as const,
    ['inverted, excited', square8!, { ...inverted, excite: true }, 3, { excitation }] as const,
  ]),
];

describe('several convolutions in one dispatch', { timeout: 300_000 }, () => {
  there.each(trials.map((trial) => [trial[1].family, ...trial] as const))(
    '%s: agrees with plain loops, %s',
    async (family, _, tile, shape, count, trial) => {
      const network = smallNetwork(shape);
      await learn(network, trial, tile);
      const images = randomImages(network, BATCH);
      const setting = { ...options, ...trial };
      const expected = await run(network, images, { ...setting, backend: 'reference' });
      const { output, profile } = await run(network, images, { ...setting, backend: tuned });
      expect(profile.notes.join('\n')).toMatch(new RegExp(`${count} ${family}[,;]`));
      expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
      // Nothing is made in the next run, which finds the maps as this one has left them.
      const { created } = await openDevice('f32');
      const before = { ...created };
      const again = await run(network, images, { ...setting, backend: tuned });
      expect(again.output.data).toEqual(output.data);
      expect(created).toEqual(before);
    },
  );

  halfThere.each([
    ['basic', square4!, basic],
    ['inverted', square4!, inverted],
    ['bottleneck', rows64!, uneven],
  ] as const)('keeps f16 between, and is within 5e-3 of f32: %s', async (_, tile, shape) => {
    const network = smallNetwork(shape);
    await learn(network, {}, tile, 'f16');
    const images = randomImages(network, BATCH);
    const expected = await run(network, images, { ...options, backend: 'reference' });
    const backend = webgpuBackendWith({ precision: 'f16', tune: true });
    const { output, profile } = await run(network, images, { ...options, backend });
    expect(profile.notes.join('\n')).toContain(` ${tile.family}`);
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(5e-3);
  });

  there.each([
    ['bottleneck', rows64!, uneven, 3],
    ['basic', square8!, basic, 3],
    ['inverted', square4!, inverted, 5],
    ['inverted, excited', square4!, { ...inverted, excite: true }, 3],
  ] as const)('writes inside its maps only: %s', async (_, tile, shape, granularity) => {
    const network = smallNetwork(shape);
    await learn(network, { granularity }, tile);
    const images = randomImages(network, BATCH);
    const [batch, height, width] = images.shape;
    const maskers = resolveMaskers(network, options);
    const { strategy } = options;
    const plan = makePlan(network, { strategy, granularity, maskers, batch, height, width });
    const resident = new GuardedResident(await openDevice('f32'), network, images.shape, true);
    await resident.upload();
    const program = await resident.programs.get(plan, maskers);
    const kernels = program.encoded.passes.flatMap(({ launches }) =>
      launches.map(({ kernel }) => kernel.name),
    );
    expect(kernels.filter((name) => name.startsWith(tile.family)).length).toBeGreaterThan(1);
    const { output } = await new GpuRun(resident, program, { plan, maskers, threads: 1 }, 0).finish(
      images,
      () => {
        throw new Error('the program is complete');
      },
    );
    expect(output.data.every(Number.isFinite)).toBe(true);
    expect(await resident.touched()).toBe(0);
  });

  there('is several dispatches where the device has no room, whatever was kept', async () => {
    // 600 channels between take more than 64 KiB beside 64 pixels.
    const network = smallNetwork({ channels: 12, width: 600, strides: [1], height: 3, mapWidth: 3 });
    const tuning = await learnRule(network);
    const fusions = fusionsOf(network);
    for (const fusion of fusions) tuning.learnFusion(fusion, fusion.head ? square8 : rows64);
    const { limits } = (await openDevice('f32')).gpu;
    const room = limits.maxComputeWorkgroupStorageSize;
    for (const fusion of fusions) {
      const tile = fusion.head ? square8! : rows64!;
      expect(fusedBytes(tile, kindOf(fusion, false), 'f32')).toBeGreaterThan(room);
    }
    const { profile } = await run(network, randomImages(network, BATCH), { ...options, backend: tuned });
    expect(profile.notes.join()).not.toContain('fused');
    expect(profile.ops.some(({ note }) => note?.includes('not fused on the GPU: 3 dispatches'))).toBe(true);
  });

  there('is timed against several dispatches, and kept', async () => {
    const network = smallNetwork({ channels: 24, width: 8, strides: [1] });
    const gpu = await thisGpu();
    await learnRule(network, {}, 'f32', 1);
    const fusions = fusionsOf(network, {}, 1);
    // All three convolutions, the first two, the last two.
    expect(fusions.map(({ operations }) => operations.length)).toEqual([3, 2, 2]);
    for (const fusion of fusions) expect(tuningOf(gpu).knows(fusion)).toBe(false);
    await run(network, randomImages(network, 1), { ...options, backend: tuned });
    for (const fusion of fusions) {
      expect(tuningOf(gpu).knows(fusion)).toBe(true);
      expect(new Tuning(gpu).fused(fusion)).toBe(tuningOf(gpu).fused(fusion));
    }
    tuningOf(gpu).learnFusion(fusions[0]!, undefined);
    expect([tuningOf(gpu).knows(fusions[0]!), tuningOf(gpu).fused(fusions[0]!)]).toEqual([true, undefined]);
  });
});

/** Chooses one tile wherever it has room. */
const always = (tile: FusionTile) => ({
  ...ruled,
  fused: (fusion: Fusion) => tilesFor(fusion, 'f32', 32_768).find((one) => one === tile),
});

describe('what can be one dispatch', () => {
  const shapesOf = (shape: SmallNetworkOptions, trial: Trial = {}) =>
    new Set(
      fusionsOf(smallNetwork(shape), trial).map(({ head, core, tail }) =>
        [head && 'head', `${core.convolution.kernel[0]}x${core.convolution.kernel[1]}`, tail && 'tail']
          .filter(Boolean)
          .join(' '),
      ),
    );

  it('are up to three convolutions of a stream around one of any size, over the same pixels', () => {
    expect(shapesOf({})).toEqual(new Set(['head 3x3 tail', 'head 3x3', '3x3 tail']));
    expect(shapesOf({ kind: 'basic' })).toEqual(new Set(['head 3x3']));
    expect(shapesOf({ kind: 'inverted' })).toEqual(new Set(['head 3x3 tail', 'head 3x3', '3x3 tail']));
    // What lies between is excited, or grouped; each is a pass of its own.
    expect(shapesOf({ excite: true })).toEqual(new Set(['head 3x3']));
    expect(shapesOf({ groups: 4 })).toEqual(new Set());
    expect(shapesOf({}, { strategy: 'unfused' })).toEqual(new Set());
  });

  it('never writes the map that it reads around its pixels', () => {
    for (const kind of ['basic', 'inverted'] as const) {
      for (const strategy of ['streamed', 'dense']) {
        const program = programFor(smallNetwork({ kind, strides: [1, 1, 1] }), { strategy });
        const { program: encoded, passes } = encodeProgram(program, always(square4!));
        const fused = passes
          .flatMap(({ launches }) => launches)
          .filter(({ effort }) => effort?.family === square4!.family);
        expect(fused.length).toBe(3);
        for (const { buffers } of fused) {
          expect(buffers.destination).not.toEqual(buffers.source);
          expect(buffers.destination).not.toEqual(undefined);
        }
        // A block that adds in place goes on in a map of its own, which later ones read.
        const inPlace = kind === 'basic' ? 2 : 3;
        expect(encoded.maps.length - program.maps.length).toBe(inPlace);
        const copies = fused.filter(({ kernel }) => kernel.name.includes('copies')).length;
        expect(copies).toBe(strategy === 'streamed' ? inPlace : 0);
      }
    }
  });

  it('needs no more buffers of a kernel than WebGPU promises', () => {
    for (const shape of [basic, inverted, uneven]) {
      const { passes } = encodeProgram(programFor(smallNetwork(shape), {}), always(square4!));
      for (const { kernel } of passes.flatMap(({ launches }) => launches)) {
        expect(kernel.bindings.length).toBeLessThanOrEqual(8);
      }
    }
  });

  it('takes one dispatch in the place of as many as it has convolutions', () => {
    const dispatches = (shape: SmallNetworkOptions, choice: typeof ruled) =>
      encodeProgram(programFor(smallNetwork(shape), {}), choice).passes.reduce(
        (sum, { launches }) => sum + launches.length,
        0,
      );
    const saved = (shape: SmallNetworkOptions, tile: FusionTile) =>
      dispatches(shape, ruled) - dispatches(shape, always(tile));
    expect(saved({ strides: [1, 2, 1] }, rows64!)).toBe(3);
    // A block without a projection has nothing left whose size follows from a list: `arguments` is saved, too.
    expect(saved({ strides: [1, 2, 1] }, square4!)).toBe(6 + 1);
    expect(saved(basic, square4!)).toBe(3 + 1);
    expect(saved(inverted, square4!)).toBe(8 + 3);
  });

  it('takes no more memory than it was chosen for', () => {
    const [all] = fusionsOf(smallNetwork({ kind: 'inverted', width: 70, strides: [1] }));
    // The places, a slice of sources and weights; places in the map; 6 x 6 pixels of 8 vectors around 4 x 4, of 18 between.
    const product = 16 * (16 + 16 * 4 + 4 * 32);
    const expected = product + 4 * 16 + 16 * (36 * 8 + 16 * 18);
    expect(fusedBytes(square4!, kindOf(all!, false), 'f32')).toBe(expected);
    expect(expected).toBeLessThan(16_384);
    expect(tilesFor(all!, 'f32', expected)).toContain(square4);
    expect(tilesFor(all!, 'f32', expected - 1)).not.toContain(square4);
  });
});
