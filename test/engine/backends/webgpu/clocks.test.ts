import { makePlan, randomMasker, resolveMaskers } from '@fovea/engine';
import { webgpuBackend } from '@fovea/engine/backend';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeConvolution } from '../../../../engine/src/backends/webgpu/encode-convolution.js';
import { LaunchTimer } from '../../../../engine/src/backends/webgpu/launch-timer.js';
import { noLists, probeConvolution } from '../../../../engine/src/backends/webgpu/probe.js';
import { QuerySets } from '../../../../engine/src/backends/webgpu/query-sets.js';
import { PassTimer } from '../../../../engine/src/backends/webgpu/timer.js';
import { ruled } from '../../../../engine/src/backends/webgpu/variants.js';
import { Random } from '../../../../engine/src/random.js';
import { missingOf } from '../../support/backends.js';
import { randomConvolution, randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

afterEach(() => vi.restoreAllMocks());

function oneLaunch() {
  const operation = probeConvolution(randomConvolution(new Random(3), 'one', 8, 8, { kernel: 1 }), 4, 4);
  return encodeConvolution(operation, noLists, ruled.one(operation));
}

/** As where all query sets are taken: what is made is of no use, and WebGPU says so later. */
async function withoutQuerySets() {
  const { gpu } = await openDevice('f32');
  const make = gpu.createQuerySet.bind(gpu);
  return vi
    .spyOn(gpu, 'createQuerySet')
    .mockImplementation((descriptor) => make({ ...descriptor, count: 5000 }));
}

const network = smallNetwork();
const images = randomImages(network, 2);
const [batch, height, width] = images.shape;
const maskers = resolveMaskers(network, { masker: randomMasker(0.5) });
const plansOf = (strategies: readonly string[]) =>
  strategies.map((strategy) =>
    makePlan(network, { strategy, maskers, granularity: 2, batch, height, width }),
  );

describe('timestamps', { timeout: 300_000 }, () => {
  there('count as no time when they run backwards, are missing, or last longer than all', async () => {
    const device = await openDevice('f32');
    const queries = new QuerySets(device.gpu);
    const timer = (await PassTimer.make(device, 5, queries))!;
    try {
      const pairs = [5_000_000n, 6_500_000n, 9n, 3n, 0n, 0n, 0n, 7_000_000_000_000n, 8n, 2n ** 64n - 1n];
      const { buffer } = BigUint64Array.from(pairs);
      expect([...timer.read(buffer, 0, 20)]).toEqual([1.5, 0, 0, 0, 0]);
      expect(timer.stepMs(buffer, 0)).toBeUndefined();
      const rounded = pairs.map((_, i) => BigInt(7 * i) * 65_536n);
      expect(timer.stepMs(BigUint64Array.from(rounded).buffer, 0)).toBe((7 * 65_536) / 1e6);
    } finally {
      timer.destroy();
      queries.destroy();
    }
  });

  there.each([
    ['all 0', () => 0],
    ['now and then 0', (call: number) => (call % 2 === 0 ? 0 : 3)],
  ] as const)('that are %s are not taken for the time of a kernel', async (_, told) => {
    const timer = new LaunchTimer(await openDevice('f32'));
    const read = vi.spyOn(PassTimer.prototype, 'read');
    read.mockImplementation(() => Float64Array.of(told(read.mock.calls.length)));
    try {
      expect(await timer.ms(oneLaunch())).toBeGreaterThan(0);
    } finally {
      timer.destroy();
    }
  });

  there('that are 0 do not make a submission long', async () => {
    const device = await openDevice('f32');
    const timer = new LaunchTimer(device);
    const repeated: number[] = [];
    vi.spyOn(PassTimer.prototype, 'read').mockReturnValue(Float64Array.of(0));
    const create = device.gpu.createCommandEncoder.bind(device.gpu);
    vi.spyOn(device.gpu, 'createCommandEncoder').mockImplementation(() => {
      const encoder = create();
      const begin = encoder.beginComputePass.bind(encoder);
      encoder.beginComputePass = (descriptor) => {
        const pass = begin(descriptor);
        const dispatch = vi.spyOn(pass, 'dispatchWorkgroups');
        const end = pass.end.bind(pass);
        pass.end = () => {
          repeated.push(dispatch.mock.calls.length);
          return end();
        };
        return pass;
      };
      return encoder;
    });
    // Each dispatch takes 60 ms, as the processor's clock tells.
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      now += 60;
      return now;
    });
    try {
      await timer.ms(oneLaunch());
      expect(Math.max(...repeated)).toBeLessThanOrEqual(2);
    } finally {
      timer.destroy();
    }
  });

  there('of all programs of a session need one set', async () => {
    const { gpu } = await openDevice('f32');
    const made = vi.spyOn(gpu, 'createQuerySet');
    const session = await webgpuBackend.open(network, { batch, height, width });
    try {
      for (const plan of plansOf(['dense', 'lasnet', 'streamed'])) {
        const { profile } = await session.run(images, { plan, maskers, threads: 1 });
        expect(profile.kernels!.some(({ totalMs }) => totalMs! > 0)).toBe(true);
      }
      expect(made).toHaveBeenCalledTimes(1);
    } finally {
      session.dispose();
    }
  });
});

describe('without query sets left', { timeout: 300_000 }, () => {
  there('a session runs and says that its passes are not timed', async () => {
    const [plan] = plansOf(['lasnet']);
    const options = { plan: plan!, maskers, threads: 1 };
    const before = await webgpuBackend.open(network, { batch, height, width });
    const expected = await before.run(images, options);
    before.dispose();
    await withoutQuerySets();
    const session = await webgpuBackend.open(network, { batch, height, width });
    try {
      const { output, profile } = await session.run(images, options);
      expect(relativeError(output.data, expected.output.data)).toBe(0);
      expect(profile.notes).toContain(
        'this adapter times no passes: only the time of the whole run was measured',
      );
      expect(profile.kernels!.every(({ totalMs }) => totalMs === undefined)).toBe(true);
    } finally {
      session.dispose();
    }
  });

  there('kernels are timed by the processor’s clock', async () => {
    await withoutQuerySets();
    const timer = new LaunchTimer(await openDevice('f32'));
    try {
      expect(await timer.ms(oneLaunch())).toBeGreaterThan(0);
    } finally {
      timer.destroy();
    }
  });
});
