import { type Network, randomMasker, run } from '@fovea/engine';
import { programOf, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { fusionsAt } from '../../../../engine/src/backends/webgpu/fusions.js';
import { transformedWeights } from '../../../../engine/src/backends/webgpu/kernels/winograd.js';
import { tuningOf } from '../../../../engine/src/backends/webgpu/tuning.js';
import { isWinograd, ruled, variantsOf } from '../../../../engine/src/backends/webgpu/variants.js';
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

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

useDataFolder();

interface Trial {
  readonly strategy: string;
  readonly granularity?: number;
  readonly rate?: number;
}

const optionsOf = ({ strategy, granularity = 6, rate = 0.5 }: Trial) =>
  ({ strategy, granularity, masker: randomMasker(rate) }) as const;

function stepsOf(network: Network, trial: Trial) {
  const { height, width } = network.inputShape;
  return programOf(network, { ...optionsOf(trial), batch: 2, height, width }).steps;
}

function convolutionsOf(network: Network, trial: Trial): Convolve[] {
  return stepsOf(network, trial)
    .flatMap(({ operations }) => operations)
    .filter((operation): operation is Convolve => operation.kind === 'convolve');
}

/** Winograd's algorithm wherever it may stand, and a dispatch for each convolution. */
async function learn(network: Network, trial: Trial, precision: 'f32' | 'f16') {
  const tuning = tuningOf((await openDevice(precision)).tunedOn);
  for (const operation of convolutionsOf(network, trial)) {
    const winograd = variantsOf(operation).find(({ family }) => family === 'winograd');
    tuning.learn(operation, winograd ?? ruled.one(operation));
  }
  for (const { operations } of stepsOf(network, trial)) {
    for (const fusion of operations.flatMap((_, at) => fusionsAt(operations, at)))
      tuning.learnFusion(fusion, undefined);
  }
}

const basic: SmallNetworkOptions = { kind: 'basic', channels: 13, width: 38, strides: [1, 1, 2] };
const bottleneck: SmallNetworkOptions = { channels: 100, width: 42, strides: [1, 2] };

const half = webgpuBackendWith({ precision: 'f16' });
const halfThere = it.skipIf((await half.check!()) !== undefined);

describe("Winograd's algorithm", { timeout: 300_000 }, () => {
  const trials: readonly (readonly [string, number, Trial, SmallNetworkOptions])[] = [
    // The stem; both or the last convolution of each block, but none of stride 2.
    ['basic', 6, { strategy: 'dense' }, basic],
    ['basic', 4, { strategy: 'streamed' }, basic],
    ['basic', 4, { strategy: 'streamed', granularity: Number.POSITIVE_INFINITY }, basic],
    ['basic', 4, { strategy: 'lasnet', rate: 1 }, basic],
    ['basic', 4, { strategy: 'lasnet', rate: 0 }, basic],
    ['bottleneck', 2, { strategy: 'dense' }, bottleneck],
    ['bottleneck', 2, { strategy: 'streamed' }, bottleneck],
  ];

  there.each(trials)('agrees with plain loops: %s, %i times, %o', async (_, count, trial, shape) => {
    const network = smallNetwork(shape);
    await learn(network, trial, 'f32');
    const images = randomImages(network, 2);
    const options = optionsOf(trial);
    const expected = await run(network, images, { ...options, backend: 'reference' });
    const backend = webgpuBackendWith({ tune: true });
    const { output, profile } = await run(network, images, { ...options, backend });
    expect(profile.notes.join('\n')).toMatch(new RegExp(`[ ,]${count} winograd[,;]`));
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
    const { created } = await openDevice('f32');
    const before = { ...created };
    const again = await run(network, images, { ...options, backend });
    expect(again.output.data).toEqual(output.data);
    expect(created).toEqual(before);
  });

  halfThere('stores maps as f16, and its own weights as f32: within 5e-3 of f32', async () => {
    const trial: Trial = { strategy: 'streamed', granularity: Number.POSITIVE_INFINITY };
    const network = smallNetwork(basic);
    await learn(network, trial, 'f16');
    const images = randomImages(network, 2);
    const options = optionsOf(trial);
    const expected = await run(network, images, { ...options, backend: 'reference' });
    const backend = webgpuBackendWith({ precision: 'f16', tune: true });
    const { output, profile } = await run(network, images, { ...options, backend });
    expect(profile.notes.join('\n')).toContain('4 winograd');
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(5e-3);
  });

  it('is for 3x3 convolutions of unit stride, everywhere or in cells that fill a square by half', () => {
    const shapes = (trial: Trial) =>
      convolutionsOf(smallNetwork({ ...basic, height: 24, mapWidth: 24 }), trial)
        .filter(isWinograd)
        .map(({ convolution: { name } }) => name);
    const stem = 'stem';
    const last = ['block0.conv2', 'block1.conv2'];
    expect(shapes({ strategy: 'dense' })).toEqual([
      ...[stem, 'block0.conv1', 'block0.conv2', 'block1.conv1', 'block1.conv2', 'block2.conv2'],
    ]);
    // Of 24 pixels, 6 make 4 cells; of the 12 of the last block, 2.
    expect(shapes({ strategy: 'streamed', granularity: 6 })).toEqual([stem, ...last, 'block2.conv2']);
    expect(shapes({ strategy: 'streamed', granularity: 5 })).toEqual([stem, ...last, 'block2.conv2']);
    expect(shapes({ strategy: 'streamed', granularity: 4 })).toEqual([stem]);
    expect(
      convolutionsOf(smallNetwork({ groups: 4, strides: [1] }), { strategy: 'dense' }).map(isWinograd),
    ).toEqual([...[true, false, false, false, false, false]]);
  });

  it('transforms weights as G g G^T says', () => {
    const convolution = randomConvolution(new Random(3), 'one', 2, 3, { kernel: 3 });
    const transformed = transformedWeights(convolution);
    expect(transformed.length).toBe(16 * 4 * 4);
    const of = (element: number, c: number, k: number) => transformed[(element * 4 + c) * 4 + k]!;
    const taps = convolution.weight.subarray((2 * 2 + 1) * 9, (2 * 2 + 2) * 9);
    expect(of(0, 1, 2)).toBe(taps[0]);
    expect(of(3, 1, 2)).toBe(taps[2]);
    expect(of(15, 1, 2)).toBe(taps[8]);
    // The middle elements are quarters of sums: of all taps, and with the middle row and column subtracted.
    expect(of(5, 1, 2)).toBeCloseTo(taps.reduce((sum, tap) => sum + tap, 0) / 4, 6);
    const signed = taps.reduce(
      (sum, tap, i) => sum + tap * (i % 3 === 1 ? -1 : 1) * (Math.floor(i / 3) === 1 ? -1 : 1),
      0,
    );
    expect(of(10, 1, 2)).toBeCloseTo(signed / 4, 6);
    expect(of(5, 2, 2)).toBe(0);
    expect(of(5, 1, 3)).toBe(0);
  });
});
