import { spawnSync } from 'node:child_process';
import { customMasker, learnedMasker, randomMasker, run, saliencyMasker } from '@fovea/engine';
import { webgpuBackend, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { missingOf } from '../../support/backends.js';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

const missing = await missingOf('webgpu');
const there = it.skipIf(missing !== undefined);
const f16 = it.skipIf((await webgpuBackendWith({ precision: 'f16' }).check!()) !== undefined);

const options = { backend: 'webgpu', masker: randomMasker(0.5), granularity: 2 } as const;

/** A software driver compiles shaders for seconds each, on a busy machine for much longer. */
describe('backend webgpu', { timeout: 300_000 }, () => {
  there('makes no buffer and no pipeline in a run after the first', async () => {
    const network = smallNetwork({ excite: true });
    const images = randomImages(network, 2);
    const { created } = await openDevice('f32');
    await run(network, images, options);
    const before = { ...created };
    const again = await run(network, images, { ...options, masker: randomMasker(0.2) });
    expect(created).toEqual(before);
    expect(again.profile.ops.every(({ totalMs }) => totalMs >= 0)).toBe(true);
    expect(before.pipelines).toBeGreaterThan(5);
  });

  there('makes none for other maskers either, nor where JavaScript decides', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 2);
    const { created } = await openDevice('f32');
    const asks = customMasker(({ batch, rows, columns }) => new Array(batch * rows * columns).fill(1));
    for (const masker of [asks, saliencyMasker(0.5), learnedMasker()]) {
      await run(network, images, { ...options, masker });
      const before = { ...created };
      await run(network, images, { ...options, masker });
      expect(created).toEqual(before);
    }
  });

  there('gives another program its own memory, and goes back to the first one', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const first = await run(network, images, { ...options, strategy: 'dense' });
    await run(network, images, { ...options, strategy: 'unfused' });
    const again = await run(network, images, { ...options, strategy: 'dense' });
    expect(again.output.data).toEqual(first.output.data);
  });

  there('computes on another device when one was lost', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const before = await run(network, images, options);
    const lost = await openDevice('f32');
    lost.gpu.destroy();
    await lost.gpu.lost;
    const after = await run(network, images, options);
    expect(after.output.data).toEqual(before.output.data);
    expect(await openDevice('f32')).not.toBe(lost);
    expect(() => lost.check()).toThrow(/the GPU was lost/);
  });

  there('names what is too large for the adapter, and what it allows', async () => {
    const device = await openDevice('f32');
    expect(() => device.buffer('the weights of conv1', 2 ** 40, 0x80)).toThrow(
      new RegExp(`the weights of conv1 takes ${2 ** 40} bytes in one buffer; .* allows ${device.mostBytes}`),
    );
  });

  there('says in the Profile what it read back, what is not fused, and on what it ran', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const asks = customMasker(({ batch, rows, columns }) => new Array(batch * rows * columns).fill(1));
    const { profile } = await run(network, images, { ...options, masker: asks, strategy: 'streamed' });
    expect(profile.notes.join('\n')).toMatch(/4 masks came from JavaScript.*read back for each/);
    expect(profile.ops.some(({ note }) => note?.includes('not fused on the GPU: 3 dispatches'))).toBe(true);
    const { name, software } = await openDevice('f32');
    expect(profile.source).toBe(software ? 'webgpu f32, a software driver' : 'webgpu f32');
    expect(profile.device).toBe(name);
    expect(profile.notes.some((note) => note.startsWith('a software driver stood in'))).toBe(software);
  });

  there('says in the Profile by what auto decided where no GPU is calibrated', async () => {
    const before = process.env.FOVEA_DATA_DIR;
    process.env.FOVEA_DATA_DIR = '/nowhere';
    try {
      const network = smallNetwork();
      const { profile } = await run(network, randomImages(network, 1), { ...options, strategy: 'auto' });
      const said = profile.notes.filter((note) => note.startsWith('auto decided for another GPU, v100'));
      expect(said).toEqual([expect.stringContaining('run fovea calibrate --backend webgpu')]);
    } finally {
      if (before === undefined) delete process.env.FOVEA_DATA_DIR;
      else process.env.FOVEA_DATA_DIR = before;
    }
  });

  there('answers an abort at once, and runs again', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const expected = await run(network, images, options);
    const controller = new AbortController();
    const { gpu } = await openDevice('f32');
    const submit = gpu.queue.submit.bind(gpu.queue);
    const submitted = vi.spyOn(gpu.queue, 'submit').mockImplementationOnce((buffers) => {
      const result = submit(buffers);
      controller.abort();
      return result;
    });
    const running = run(network, images, { ...options, signal: controller.signal });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(submitted).toHaveBeenCalledTimes(1);
    submitted.mockRestore();
    const { output } = await run(network, images, options);
    expect(relativeError(output.data, expected.output.data)).toBe(0);
  });

  f16('stores f16 and sums f32: within 5e-3 of f32', async () => {
    const network = smallNetwork({ excite: true });
    const images = randomImages(network, 2);
    const expected = await run(network, images, options);
    const half = await run(network, images, { ...options, backend: webgpuBackendWith({ precision: 'f16' }) });
    expect(relativeError(half.output.data, expected.output.data)).toBeLessThan(5e-3);
    expect(half.profile.source).toMatch(/^webgpu f16/);
  });

  it('refuses a precision that it does not know', () => {
    expect(() => webgpuBackendWith({ precision: 'f64' as 'f32' })).toThrow(
      /precision f64: f32 or f16 is accepted/,
    );
  });

  /** What is found missing by a process of its own. */
  function missingIn(script: string, env: NodeJS.ProcessEnv = {}): string {
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: new URL('../../../../engine', import.meta.url).pathname,
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    return stdout;
  }

  const check = `
    const { webgpuBackend } = await import('@fovea/engine/backend');
    process.stdout.write(await webgpuBackend.check());`;

  it.skipIf(webgpuBackend.unavailable !== undefined)(
    'says in one line what a machine without a driver lacks',
    () => {
      const nowhere = { VK_ICD_FILENAMES: '/nowhere.json', VK_DRIVER_FILES: '/nowhere.json' };
      expect(missingIn(check, nowhere)).toMatch(
        /^WebGPU found no adapter: .*libvulkan\.so\.1.*VK_ICD_FILENAMES$/,
      );
    },
  );

  it('names an adapter that opens no device', () => {
    const adapter = `{
      features: new Set(), limits: {}, info: { device: 'Example GPU', description: '' },
      requestDevice: () => Promise.reject(new Error('too many devices')),
    }`;
    const gpu = `{ requestAdapter: async () => (${adapter}) }`;
    expect(
      missingIn(`Object.defineProperty(globalThis, 'navigator', { value: { gpu: ${gpu} } });${check}`),
    ).toBe('Example GPU opens no device: too many devices');
  });
});
