import { learnedMasker, randomMasker, run, saliencyMasker } from '@fovea/engine';
import { programOf, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeProgram } from '../../../../engine/src/backends/webgpu/encode.js';
import { tuningOf } from '../../../../engine/src/backends/webgpu/tuning.js';
import type { Convolve } from '../../../../engine/src/program/program.js';
import { useDataFolder } from '../../../support/data-folder.js';
import { missingOf } from '../../support/backends.js';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

useDataFolder();

// As if an axis had few workgroups, so that small maps need another one, as very large ones do.
const MOST = vi.hoisted(() => 2);
vi.mock('../../../../engine/src/backends/webgpu/kernel.js', async (original) => ({
  ...(await original<object>()),
  MOST_GROUPS: MOST,
  spread: (count: number) => [Math.min(count, MOST), Math.ceil(count / MOST)],
}));

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

const trials = [
  ['saliency masks, packed rows', { strides: [1, 2] }, { strategy: 'lasnet', masker: saliencyMasker(0.5) }],
  ['learned masks', { kind: 'basic' }, { strategy: 'streamed', masker: learnedMasker() }],
  ['excitation', { excite: true }, { strategy: 'unfused', masker: saliencyMasker(0.4) }],
  ['depthwise ones', { kind: 'inverted', groups: 12 }, { strategy: 'unfused', masker: randomMasker(0.5) }],
  ['no masks', {}, { strategy: 'dense' }],
] as const;

describe('work for more workgroups than an axis has', { timeout: 300_000 }, () => {
  it.each(trials)('is divided among axes: %s', (_, shape, trial) => {
    const network = smallNetwork(shape);
    const { height, width } = network.inputShape;
    const { passes } = encodeProgram(
      programOf(network, { ...trial, granularity: 2, batch: 9, height, width }),
    );
    const launches = passes.flatMap((pass) => pass.launches);
    expect(launches.some(({ workgroups }) => 'counter' in workgroups || workgroups[2] > 1)).toBe(true);
    for (const { kernel, workgroups } of launches) {
      if (!('counter' in workgroups)) expect(workgroups[0], kernel.name).toBeLessThanOrEqual(MOST);
    }
  });

  there.each(trials)('computes the same: %s', async (_, shape, trial) => {
    const network = smallNetwork(shape);
    const images = randomImages(network, 9);
    const options = { ...trial, granularity: 2 };
    const expected = await run(network, images, { ...options, backend: 'reference' });
    const { output } = await run(network, images, { ...options, backend: 'webgpu' });
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
  });

  there('computes the same: squares', async () => {
    const network = smallNetwork({ kind: 'basic', strides: [1, 2] });
    const { height, width } = network.inputShape;
    const images = randomImages(network, 9);
    const options = { strategy: 'lasnet', masker: saliencyMasker(0.5), granularity: 2 } as const;
    const tuning = tuningOf((await openDevice('f32')).tunedOn);
    const operations = programOf(network, { ...options, batch: 9, height, width }).steps.flatMap(
      (step) => step.operations,
    );
    for (const one of operations.filter(
      (operation): operation is Convolve => operation.kind === 'convolve',
    )) {
      const variants = tuning.variantsOf(one);
      tuning.learn(one, variants.find(({ family }) => family === 'winograd') ?? variants.at(-1)!);
    }
    vi.spyOn(tuning, 'knows').mockReturnValue(true);
    const { output, profile } = await run(network, images, {
      ...options,
      backend: webgpuBackendWith({ tune: true }),
    });
    expect(profile.kernels!.some(({ name }) => name.includes('winograd'))).toBe(true);
    const expected = await run(network, images, { ...options, backend: 'reference' });
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
  });
});
