import { randomMasker, run } from '@fovea/engine';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Device, openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeConvolution } from '../../../../engine/src/backends/webgpu/encode-convolution.js';
import { LaunchTimer } from '../../../../engine/src/backends/webgpu/launch-timer.js';
import { noLists, probeConvolution } from '../../../../engine/src/backends/webgpu/probe.js';
import { ruled } from '../../../../engine/src/backends/webgpu/variants.js';
import { Random } from '../../../../engine/src/random.js';
import { missingOf } from '../../support/backends.js';
import { randomConvolution, randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

const options = { backend: 'webgpu', masker: randomMasker(0.5), granularity: 2 } as const;

afterEach(() => vi.restoreAllMocks());

/** What the buffers of a device are for that are made from now on and not destroyed; those named so cannot be made. */
function watchBuffers(device: Device, failing: RegExp): () => string[] {
  const living = new Map<GPUBuffer, string>();
  const make = device.buffer.bind(device);
  vi.spyOn(device, 'buffer').mockImplementation((what, bytes, flags) => {
    // As without memory, there is a buffer all the same, and WebGPU says later that it is of no use.
    const buffer = failing.test(what)
      ? device.gpu.createBuffer({ size: 2 ** 30, usage: 0x0001 | 0x0080 })
      : make(what, bytes, flags);
    living.set(buffer, what);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      living.delete(buffer);
      return destroy();
    };
    return buffer;
  });
  return () => [...living.values()];
}

/** Another device than the last: it has made no kernel yet. */
async function newDevice(): Promise<Device> {
  const { gpu } = await openDevice('f32');
  gpu.destroy();
  await gpu.lost;
  return openDevice('f32');
}

function oneLaunch() {
  const operation = probeConvolution(randomConvolution(new Random(3), 'one', 8, 8, { kernel: 1 }), 4, 4);
  return encodeConvolution(operation, noLists, ruled.one(operation));
}

describe('after a failure, backend webgpu', { timeout: 300_000 }, () => {
  there.each(['a map of', 'pixel lists', 'results'])('has freed all, and runs again: %s', async (what) => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const living = watchBuffers(await openDevice('f32'), new RegExp(what));
    await expect(run(network, images, options)).rejects.toThrow();
    expect(living().filter((name) => !/^the (weights|masker) of/.test(name))).toEqual([]);
    vi.restoreAllMocks();
    const { output } = await run(network, images, options);
    const expected = await run(network, images, { ...options, backend: 'reference' });
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
  });

  there('has freed the weights of a network that has no room', async () => {
    const living = watchBuffers(await openDevice('f32'), /the weights of .*conv2/);
    const network = smallNetwork();
    await expect(run(network, randomImages(network, 1), options)).rejects.toThrow();
    expect(living()).toEqual([]);
  });

  there.each(['source', 'destination'])('has freed what was made to time a kernel: %s', async (what) => {
    const device = await openDevice('f32');
    const timer = new LaunchTimer(device);
    const launch = oneLaunch();
    try {
      const living = watchBuffers(device, new RegExp(what));
      await expect(timer.ms(launch)).rejects.toThrow();
      expect(living()).toEqual([]);
      vi.restoreAllMocks();
      expect(await timer.ms(launch)).toBeGreaterThanOrEqual(0);
    } finally {
      timer.destroy();
    }
  });

  /** Adds to what is submitted next a dispatch that WebGPU refuses, and with it all else. */
  function refuseNext({ gpu }: Device): void {
    const submit = gpu.queue.submit.bind(gpu.queue);
    vi.spyOn(gpu.queue, 'submit').mockImplementationOnce((buffers) => {
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      // Without a pipeline.
      pass.dispatchWorkgroups(1);
      pass.end();
      return submit([...buffers, encoder.finish()]);
    });
  }

  there('does not answer a run that WebGPU refused', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const before = await run(network, images, options);
    refuseNext(await openDevice('f32'));
    await expect(run(network, images, options).then(() => 'answered')).rejects.toThrow(/pipeline/);
    expect((await run(network, images, options)).output.data).toEqual(before.output.data);
  });

  there('takes no time of a kernel that did not run', async () => {
    const device = await openDevice('f32');
    const timer = new LaunchTimer(device);
    try {
      refuseNext(device);
      await expect(timer.ms(oneLaunch())).rejects.toThrow(/pipeline/);
      refuseNext(device);
      await expect(timer.values(oneLaunch())).rejects.toThrow(/pipeline/);
    } finally {
      timer.destroy();
    }
  });

  there('says that the device was lost when that happens in a run', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const before = await run(network, images, options);
    const { gpu } = await openDevice('f32');
    const submit = gpu.queue.submit.bind(gpu.queue);
    vi.spyOn(gpu.queue, 'submit').mockImplementationOnce((buffers) => {
      const result = submit(buffers);
      gpu.destroy();
      return result;
    });
    await expect(run(network, images, options)).rejects.toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringContaining('the GPU was lost'),
    });
    expect((await run(network, images, options)).output.data).toEqual(before.output.data);
  });

  there('makes a kernel again that its driver could not make', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const device = await newDevice();
    const failing = vi
      .spyOn(device.gpu, 'createComputePipelineAsync')
      .mockRejectedValueOnce(new Error('the driver has no memory'));
    await expect(run(network, images, options)).rejects.toThrow(/the driver has no memory/);
    failing.mockRestore();
    const { output } = await run(network, images, options);
    const expected = await run(network, images, { ...options, backend: 'reference' });
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
  });

  there('opens one device for all sessions that find the last one lost', async () => {
    const lost = await openDevice('f32');
    lost.gpu.destroy();
    await lost.gpu.lost;
    const [one, other] = await Promise.all([openDevice('f32'), openDevice('f32')]);
    expect(one).not.toBe(lost);
    expect(other).toBe(one);
  });

  it.each([
    [
      'says that the device was lost when that is known only after a reading failed',
      20,
      /the GPU was lost: unplugged/,
    ],
    ['hands on why a reading failed when the device is there', undefined, /not readable/],
  ] as const)('%s', async (_, afterMs, message) => {
    const lost = new Promise((resolve) => {
      if (afterMs !== undefined) setTimeout(() => resolve({ message: 'unplugged' }), afterMs);
    });
    const device = new Device({ lost, features: new Set() } as unknown as GPUDevice, {
      ...{ name: 'a GPU', driver: '', precision: 'f32', subgroups: false, software: false },
    });
    const buffer = { mapAsync: () => Promise.reject(new Error('not readable')) } as unknown as GPUBuffer;
    await expect(device.read(buffer, 4)).rejects.toThrow(message);
  });
});
