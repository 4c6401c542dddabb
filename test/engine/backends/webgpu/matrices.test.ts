import {
  builtNetwork,
  customMasker,
  loadNetwork,
  type Network,
  type NetworkRunOptions,
  randomMasker,
  run,
  Tensor,
} from '@fovea/engine';
import { programOf, webgpuBackendWith } from '@fovea/engine/backend';
import { float32Of, readSafetensors } from '@fovea/engine/train';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { matrixProbe, wrongMatrices } from '../../../../engine/src/backends/webgpu/check-matrices.js';
import { Device, openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeConvolution } from '../../../../engine/src/backends/webgpu/encode-convolution.js';
import { fusionsAt } from '../../../../engine/src/backends/webgpu/fusions.js';
import type { MatrixUnit } from '../../../../engine/src/backends/webgpu/kernels/matrices.js';
import { LaunchTimer } from '../../../../engine/src/backends/webgpu/launch-timer.js';
import { MATRICES, matricesOf, SUBGROUP_SIZES } from '../../../../engine/src/backends/webgpu/matrices.js';
import { noLists, probeConvolution } from '../../../../engine/src/backends/webgpu/probe.js';
import { Tuning, tuningOf } from '../../../../engine/src/backends/webgpu/tuning.js';
import {
  isOfMatrices,
  matrixVariantsOf,
  ruled,
  type Variant,
} from '../../../../engine/src/backends/webgpu/variants.js';
import type { Convolve } from '../../../../engine/src/program/program.js';
import { Random } from '../../../../engine/src/random.js';
import { useDataFolder } from '../../../support/data-folder.js';
import { missingOf } from '../../support/backends.js';
import {
  randomConvolution,
  randomImages,
  relativeError,
  type SmallNetworkOptions,
  smallNetwork,
} from '../../support/small-network.js';
import { emulated } from './emulated-matrices.js';

useDataFolder();

// Kept: Dawn crashes when it is collected while adapters of it live.
let gpu: GPU;

const half = webgpuBackendWith({ precision: 'f16', tune: true });
const isOffered = (await half.check!()) === undefined && (await openDevice('f16')).matrices !== undefined;
const offered = it.skipIf(!isOffered);
const isThere = (await missingOf('webgpu')) === undefined;
const there = it.skipIf(!isThere);

// SwiftShader's only size.
const sizedUnit: MatrixUnit = { M: 8, N: 8, K: 8, subgroup: 4, isAskedFor: true };
/** A device whose kernels ask for the size of their subgroups; undefined where the adapter does not let them. */
const sizedDevice = isThere ? openSizedDevice() : Promise.resolve(undefined);
const sized = it.skipIf((await sizedDevice) === undefined);

async function openSizedDevice(): Promise<Device | undefined> {
  const { create } = await import('webgpu');
  gpu = create([]);
  const adapter = (await gpu.requestAdapter())!;
  const { features, info, limits } = adapter;
  if (!features.has(SUBGROUP_SIZES) || info.subgroupMaxSize !== sizedUnit.subgroup) return undefined;
  const device = await adapter.requestDevice({
    requiredFeatures: ['subgroups', SUBGROUP_SIZES],
    // Emulated in float32, tiles are twice as large.
    requiredLimits: { maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize },
  });
  const { software, name, driver } = await openDevice('f32');
  return new Device(device, { name, driver, software, precision: 'f32', subgroups: true });
}

const fixture = (name: string) => new URL(`../../../fixtures/${name}`, import.meta.url).pathname;

afterEach(() => vi.restoreAllMocks());

/** Matrices in one kind of tile wherever they may stand, and a dispatch for each convolution; counts them. */
async function learn(network: Network, batch: number, trial: object, family = 'matrices 32x32') {
  const tuning = tuningOf((await openDevice('f16')).tunedOn);
  const { height, width } = network.inputShape;
  const operations = programOf(network, { ...trial, batch, height, width }).steps.flatMap(
    (step) => step.operations,
  );
  const convolutions = operations.filter((one): one is Convolve => one.kind === 'convolve');
  let count = 0;
  for (const operation of convolutions) {
    const variant = tuning.variantsOf(operation).find((one) => one.family === family);
    if (variant) count++;
    tuning.learn(operation, variant ?? ruled.one(operation));
  }
  for (const { operations } of programOf(network, { ...trial, batch, height, width }).steps) {
    for (const fusion of operations.flatMap((_, at) => fusionsAt(operations, at)))
      tuning.learnFusion(fusion, undefined);
  }
  return { count, others: convolutions.length - count, family };
}

/** Runs a network so, and checks that it did. */
async function runLearned(network: Network, images: Tensor, options: NetworkRunOptions, family?: string) {
  const learned = await learn(network, images.shape[0], options, family);
  expect(learned.count).toBeGreaterThan(0);
  const { output, profile, masks } = await run(network, images, { ...options, backend: half });
  expect(profile.notes.join('\n')).toMatch(new RegExp(`[ ,]${learned.count} ${learned.family}[,;]`));
  return { output, masks, learned };
}

describe('matrices of subgroups', { timeout: 600_000 }, () => {
  const basic: SmallNetworkOptions = { kind: 'basic', channels: 13, width: 38, strides: [1, 1, 2] };
  const bottleneck: SmallNetworkOptions = { channels: 37, width: 42, strides: [1, 2] };
  const trials: readonly (readonly [string, SmallNetworkOptions, NetworkRunOptions, number])[] = [
    ['basic blocks, dense', basic, { strategy: 'dense' }, 0],
    ['basic blocks, streamed', basic, { strategy: 'streamed', granularity: 3 }, 0],
    ['bottlenecks, each mask’s rows packed', bottleneck, { strategy: 'lasnet', granularity: 2 }, 0],
    ['bottlenecks, gathered with a halo', bottleneck, { strategy: 'unfused', granularity: 4 }, 0],
    ['no pixel active', bottleneck, { strategy: 'streamed', masker: randomMasker(0) }, 0],
    ['all pixels active', bottleneck, { strategy: 'streamed', masker: randomMasker(1) }, 0],
    [
      'grouped ones between, and excitation',
      { ...bottleneck, groups: 2, excite: true },
      { strategy: 'streamed', granularity: 2 },
      2,
    ],
    [
      'depthwise ones between',
      { kind: 'inverted', channels: 13, width: 50, groups: 50, strides: [1, 2] },
      { strategy: 'streamed', granularity: 2 },
      2,
    ],
    ['5x5 kernels', { ...basic, kernel: 5 }, { strategy: 'streamed', granularity: 1 }, 0],
  ];
  offered.each(trials)('is within 5e-3 of plain loops: %s', async (_, shape, trial, others) => {
    const network = smallNetwork(shape);
    const images = randomImages(network, 2);
    const options = { masker: randomMasker(0.5), ...trial };
    const expected = await run(network, images, { ...options, backend: 'reference' });
    const { output, learned } = await runLearned(network, images, options);
    expect(learned.others).toBe(others);
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(5e-3);
  });

  offered.each(['matrices 128x64', 'matrices 64x64'])('is within 5e-3 of plain loops: %s', async (family) => {
    const network = smallNetwork({ kind: 'single', channels: 100, width: 72, strides: [1] });
    const images = randomImages(network, 2);
    const options = { strategy: 'streamed', masker: randomMasker(0.5), granularity: 3 };
    const expected = await run(network, images, { ...options, backend: 'reference' });
    const { output } = await runLearned(network, images, options, family);
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(5e-3);
    const { created } = await openDevice('f16');
    const before = { ...created };
    expect((await run(network, images, { ...options, backend: half })).output.data).toEqual(output.data);
    expect(created).toEqual(before);
  });

  offered.each(['lasnet-tiny', 'lasnet-uneven'])(
    'runs the checkpoint %s, at the published masks',
    async (name) => {
      const network = await loadNetwork(fixture(`${name}.safetensors`));
      const expected = await readSafetensors(fixture(`${name}.ref.safetensors`));
      const shape = expected.tensors.get('input')!.shape as [number, number, number, number];
      const input = Tensor.fromNCHW(shape, float32Of(expected, 'input', shape));
      const { masks } = await run(network, input, { backend: 'native' });
      // Near a masker's threshold half precision decides otherwise.
      const masker = customMasker(({ block }) => masks.find((mask) => mask.block === block.index)!.cells);
      for (const strategy of ['unfused', 'lasnet', 'streamed']) {
        const { output } = await runLearned(network, input, { strategy, masker });
        expect(relativeError(output.data, float32Of(expected, 'logits', [shape[0], 10]))).toBeLessThan(5e-3);
      }
    },
  );

  offered('runs ResNet-18 whole', async () => {
    const network = builtNetwork('resnet18', { inputSize: 64 });
    const images = randomImages(network, 1);
    for (const strategy of ['dense', 'streamed']) {
      const options = { strategy, masker: randomMasker(0.5), granularity: [8, 4, 2, 1] };
      const expected = await run(network, images, { ...options, backend: 'native' });
      const { output, learned } = await runLearned(network, images, options);
      expect(learned.others).toBe(0);
      expect(relativeError(output.data, expected.output.data)).toBeLessThan(5e-3);
    }
  });

  offered('is kept apart from what was timed without', async () => {
    const { tunedOn } = await openDevice('f16');
    const tuning = new Tuning(tunedOn);
    const variant = tuning.variantsOf(matrixProbe).find(isOfMatrices)!;
    tuning.learn(matrixProbe, variant);
    await tuning.keep();
    expect(new Tuning(tunedOn).find(matrixProbe)).toBe(variant);
    expect(new Tuning({ ...tunedOn, matrices: undefined }).find(matrixProbe)).toBeUndefined();
    expect((await openDevice('f32')).tunedOn.matrices).toBeUndefined();
  });

  offered('is not tried when it computes something else', async () => {
    const device = await openDevice('f16');
    const timer = new LaunchTimer(device);
    const tuning = new Tuning(device.tunedOn);
    const smallest = tuning.variantsOf(matrixProbe).findLast(isOfMatrices)!;
    try {
      expect(await wrongMatrices(timer, tuning)).toEqual([]);
      for (const [name, from, to] of [
        ['wrong', 'left0, right0', 'left0, left0'],
        ['broken', 'subgroupMatrixStore', 'noSuchFunction'],
      ] as const) {
        const kernel = smallest.kernel({ residual: 'none', activation: 'relu' });
        const code = kernel.code.replaceAll(from, to);
        expect(code).not.toBe(kernel.code);
        vi.spyOn(smallest, 'kernel').mockReturnValue({ ...kernel, name, code });
        expect(await wrongMatrices(timer, tuning), name).toEqual([smallest]);
        vi.restoreAllMocks();
      }
    } finally {
      timer.destroy();
    }
  });
});

/** Fails unless an emulated variant computes what another kernel does. */
async function expectSame(device: Device, unit: MatrixUnit, variant: Variant): Promise<void> {
  const timer = new LaunchTimer(device);
  const random = new Random(7);
  try {
    for (const [inChannels, outChannels, kernel, stride, height, width] of [
      [39, 75, 3, 1, 11, 13],
      [5, 130, 1, 2, 17, 3],
    ] as const) {
      const convolution = randomConvolution(random, 'one', inChannels, outChannels, { kernel, stride });
      const operation = probeConvolution(convolution, height, width);
      const expected = await timer.values(encodeConvolution(operation, noLists, ruled.one(operation)));
      const launch = encodeConvolution(operation, noLists, variant);
      const values = await timer.values({ ...launch, kernel: emulated(launch.kernel, unit) });
      expect(relativeError(values, expected)).toBeLessThan(1e-5);
    }
  } finally {
    timer.destroy();
  }
}

describe('kernels of matrices', { timeout: 300_000 }, () => {
  const units: readonly MatrixUnit[] = [
    { M: 16, N: 16, K: 16, subgroup: 32 },
    { M: 16, N: 8, K: 16, subgroup: 32 },
    { M: 8, N: 16, K: 16, subgroup: 16 },
    { M: 8, N: 8, K: 8, subgroup: 32 },
    { M: 16, N: 16, K: 16, subgroup: 64 },
  ];
  const cases = units.flatMap((unit) =>
    matrixVariantsOf(unit).map((variant) => [unit, variant.family, variant] as const),
  );
  there.each(cases)('compute with matrices of %o what other kernels do: %s', async (unit, _, variant) => {
    await expectSame(await openDevice('f32'), unit, variant);
  });

  // The smallest: the software driver compiles the others for minutes.
  const smallest = (unit: MatrixUnit) => matrixVariantsOf(unit).at(-1)!;
  sized('run in subgroups of the size that they ask for, and in no others', async () => {
    const device = (await sizedDevice)!;
    await expectSame(device, sizedUnit, smallest(sizedUnit));
    const other = { ...sizedUnit, subgroup: 2 * sizedUnit.subgroup };
    const kernel = smallest(other).kernel({ residual: 'none', activation: 'relu' });
    await expect(device.pipeline(emulated(kernel, other))).rejects.toThrow(/subgroup_size/);
  });

  it('ask for a size where the adapter has several, in whole subgroups of the largest', () => {
    for (const subgroup of [16, 32, 64]) {
      const fixed = { M: 16, N: 16, K: 16, subgroup };
      const epilogue = { residual: 'none', activation: 'relu' } as const;
      matrixVariantsOf({ ...fixed, isAskedFor: true }).forEach((variant, i) => {
        const { code, enables } = variant.kernel(epilogue);
        const [, workgroup] = /@workgroup_size\((\d+)\) @subgroup_size\(\d+\)/.exec(code)!;
        expect(code).toContain(`@workgroup_size(${workgroup}) @subgroup_size(${subgroup})`);
        expect(enables).toContain('subgroup_size_control');
        // Dawn refuses workgroups that are not whole subgroups of the adapter's largest size: of AMD's 64 where 32 are asked for.
        expect(Number(workgroup) % (subgroup === 32 ? 128 : subgroup)).toBe(0);
        const plain = matrixVariantsOf(fixed)[i]!.kernel(epilogue);
        expect(plain.code).toBe(code.replace(` @subgroup_size(${subgroup})`, ''));
        expect(plain.enables).toEqual(enables!.filter((name) => name !== 'subgroup_size_control'));
      });
    }
  });

  it('are made for every size that GPUs have, and for none that does not fill a tile', () => {
    const families = (unit: MatrixUnit) => matrixVariantsOf(unit).map(({ family }: Variant) => family);
    const all = ['matrices 128x64', 'matrices 64x64', 'matrices 32x32'];
    for (const unit of units.slice(0, 4)) expect(families(unit)).toEqual(all);
    expect(families({ M: 16, N: 16, K: 32, subgroup: 32 })).toEqual(all.slice(1));
    expect(families({ M: 24, N: 16, K: 16, subgroup: 32 })).toEqual([]);
    expect(families({ M: 16, N: 2, K: 16, subgroup: 32 })).toEqual([]);
  });

  it('need matrices of half precision that are summed in float32, and subgroups of a known size', () => {
    const config = (M: number, componentType: string, resultComponentType: string) => ({
      ...{ M, N: 16, K: 16, componentType, resultComponentType },
    });
    const adapter = (features: readonly string[], configs: readonly object[], sizes = [32, 32]) =>
      ({
        features: new Set(features),
        info: { subgroupMinSize: sizes[0], subgroupMaxSize: sizes[1], subgroupMatrixConfigs: configs },
      }) as unknown as GPUAdapter;
    const all = ['subgroups', 'shader-f16', MATRICES];
    const mixed = [
      config(16, 'f16', 'f16'),
      config(16, 'f32', 'f32'),
      config(24, 'f16', 'f32'),
      config(8, 'f16', 'f32'),
    ];
    expect(matricesOf(adapter(all, mixed))).toEqual({ M: 8, N: 16, K: 16, subgroup: 32 });
    expect(matricesOf(adapter(all, mixed.slice(0, 3)))).toBeUndefined();
    // A driver may choose another of its sizes for each pipeline, unless kernels ask for one.
    expect(matricesOf(adapter(all, mixed, [8, 32]))).toBeUndefined();
    const asking = [...all, SUBGROUP_SIZES];
    const asked = { M: 8, N: 16, K: 16, isAskedFor: true };
    for (const range of [
      [16, 32],
      [32, 64],
      [4, 128],
    ]) {
      expect(matricesOf(adapter(asking, mixed, range))).toEqual({ ...asked, subgroup: 32 });
    }
    expect(matricesOf(adapter(asking, mixed, [8, 16]))).toEqual({ ...asked, subgroup: 16 });
    expect(matricesOf(adapter(asking, mixed))).toEqual({ M: 8, N: 16, K: 16, subgroup: 32 });
    for (const left of all) {
      expect(
        matricesOf(
          adapter(
            all.filter((name) => name !== left),
            mixed,
          ),
        ),
      ).toBeUndefined();
    }
    expect(matricesOf({ features: new Set(all), info: {} } as unknown as GPUAdapter)).toBeUndefined();
  });
});
