import { customMasker, learnedMasker, randomMasker, run, saliencyMasker } from '@fovea/engine';
import { programOf } from '@fovea/engine/backend';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Device, openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeProgram } from '../../../../engine/src/backends/webgpu/encode.js';
import type { Launch } from '../../../../engine/src/backends/webgpu/launch.js';
import { SubmissionBound } from '../../../../engine/src/backends/webgpu/submission-bound.js';
import { missingOf } from '../../support/backends.js';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

// As if a GPU were so slow that small networks are divided, as large ones are.
const LEAST = vi.hoisted(() => 1e5);
vi.mock('../../../../engine/src/backends/webgpu/submission-bound.js', async (original) => ({
  ...(await original<object>()),
  LEAST_WORK: LEAST,
}));

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

afterEach(() => vi.restoreAllMocks());

/** The device, with so much work in a submission. */
async function deviceBoundTo(work: number): Promise<Device> {
  const device = await openDevice('f32');
  vi.spyOn(device.bound, 'work', 'get').mockReturnValue(work);
  return device;
}

const submissionsOf = ({ gpu }: Device) => vi.spyOn(gpu.queue, 'submit');

const trials = [
  ['packed rows', { strides: [1, 2] }, { strategy: 'lasnet', masker: saliencyMasker(0.5) }],
  ['branches added in place', { kind: 'basic' }, { strategy: 'streamed', masker: learnedMasker() }],
  ['excitation', { excite: true }, { strategy: 'unfused', masker: saliencyMasker(0.4) }],
  ['depthwise ones', { kind: 'inverted', groups: 12 }, { strategy: 'unfused', masker: randomMasker(0.5) }],
  ['no active cells', {}, { strategy: 'unfused', masker: randomMasker(0) }],
  ['no masks', {}, { strategy: 'dense' }],
] as const;

const shared = { granularity: 2 } as const;
const BATCH = 3;

describe('a run in several submissions', { timeout: 300_000 }, () => {
  there.each(trials)('computes the same: %s', async (_, shape, trial) => {
    const network = smallNetwork(shape);
    const images = randomImages(network, BATCH);
    const options = { ...trial, ...shared, backend: 'webgpu' } as const;
    const whole = submissionsOf(await deviceBoundTo(Number.POSITIVE_INFINITY));
    const expected = await run(network, images, options);
    expect(whole).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
    const divided = submissionsOf(await deviceBoundTo(LEAST));
    const { output, masks, profile } = await run(network, images, options);
    expect(divided.mock.calls.length).toBeGreaterThan(5);
    expect(output.data).toEqual(expected.output.data);
    expect(masks).toEqual(expected.masks);
    // What is counted and named does not depend on how it was submitted.
    const untimed = ({ kernels, ops }: typeof profile) => ({
      ops: ops.map(({ name, flops, bytes }) => ({ name, flops, bytes })),
      kernels: kernels!.map(({ name, passes }) => `${name} ${passes}`).toSorted(),
    });
    expect(untimed(profile)).toEqual(untimed(expected.profile));
  });

  there('times every slice of a pass once, and none of an earlier run', async () => {
    const network = smallNetwork();
    const images = randomImages(network, BATCH);
    const options = { ...shared, strategy: 'dense', backend: 'webgpu' } as const;
    const sumOf = ({ profile: { ops } }: Awaited<ReturnType<typeof run>>) =>
      ops.reduce((sum, { totalMs }) => sum + totalMs, 0);
    const device = await deviceBoundTo(LEAST);
    if (!device.timed) return;
    const divided = await run(network, images, options);
    expect(divided.profile.ops.filter(({ flops }) => flops > LEAST).every(({ totalMs }) => totalMs > 0)).toBe(
      true,
    );
    expect(sumOf(divided)).toBeLessThanOrEqual(divided.profile.totalMs);
    vi.restoreAllMocks();
    // The times of slices are still in their queries.
    const whole = await run(network, images, options);
    expect(sumOf(whole)).toBeLessThanOrEqual(whole.profile.totalMs);
    expect(sumOf(whole)).toBeGreaterThan(0);
  });

  there('divides what lies between the questions to a masker in JavaScript', async () => {
    const network = smallNetwork();
    const images = randomImages(network, 1);
    const masker = customMasker(({ batch, rows, columns }) =>
      Array.from({ length: batch * rows * columns }, (_, cell) => cell % 3 === 0),
    );
    const options = { ...shared, masker, strategy: 'lasnet' } as const;
    const submit = submissionsOf(await deviceBoundTo(LEAST));
    const { output, masks } = await run(network, images, { ...options, backend: 'webgpu' });
    expect(submit.mock.calls.length).toBeGreaterThan(masks.length + 1);
    const expected = await run(network, images, { ...options, backend: 'reference' });
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
  });

  there('stops at an abort between two of them, and runs again', async () => {
    const network = smallNetwork();
    const images = randomImages(network, BATCH);
    const options = { ...shared, strategy: 'dense', backend: 'webgpu' } as const;
    const device = await deviceBoundTo(LEAST);
    const submit = submissionsOf(device);
    const expected = await run(network, images, options);
    const all = submit.mock.calls.length;
    submit.mockClear();
    const controller = new AbortController();
    const fractions: number[] = [];
    const running = run(network, images, {
      ...options,
      signal: controller.signal,
      onProgress: (fraction) => {
        fractions.push(fraction);
        if (fractions.length === 2) controller.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    await device.finished();
    expect(submit).toHaveBeenCalledTimes(2);
    expect(all).toBeGreaterThan(5);
    expect(fractions.every((fraction) => fraction < 1)).toBe(true);
    expect((await run(network, images, options)).output.data).toEqual(expected.output.data);
  });

  there('has two of them on the GPU at most', async () => {
    const network = smallNetwork();
    const device = await deviceBoundTo(LEAST);
    let waiting = 0;
    let most = 0;
    const submit = device.submit.bind(device);
    vi.spyOn(device, 'submit').mockImplementation((what, encoder) => {
      const taken = submit(what, encoder);
      most = Math.max(most, ++waiting);
      void device.gpu.queue.onSubmittedWorkDone().then(() => waiting--);
      return taken;
    });
    await run(network, randomImages(network, BATCH), { ...shared, strategy: 'dense', backend: 'webgpu' });
    expect(most).toBe(2);
  });

  /** Has the device refuse, or lose, what is submitted as the third. */
  function spoilThird({ gpu }: Device, how: 'refused' | 'lost'): void {
    const submit = gpu.queue.submit.bind(gpu.queue);
    let count = 0;
    vi.spyOn(gpu.queue, 'submit').mockImplementation((buffers) => {
      if (++count !== 3) return submit(buffers);
      if (how === 'lost') gpu.destroy();
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      // Without a pipeline.
      pass.dispatchWorkgroups(1);
      pass.end();
      return submit([...buffers, encoder.finish()]);
    });
  }

  there.each([
    ['refused', /pipeline/],
    ['lost', /the GPU was lost/],
  ] as const)('fails when one of them is %s, and runs again', async (how, message) => {
    const network = smallNetwork();
    const images = randomImages(network, BATCH);
    const options = { ...shared, strategy: 'dense', backend: 'webgpu' } as const;
    const before = await run(network, images, options);
    const device = await deviceBoundTo(LEAST);
    spoilThird(device, how);
    await expect(run(network, images, options)).rejects.toThrow(message);
    vi.restoreAllMocks();
    expect((await run(network, images, options)).output.data).toEqual(before.output.data);
  });
});

/** Workgroups along the first axes that a launch has when its list is full. */
function rangeOf({ parameters, workgroups }: Launch, all: number): [first: number, end: number] {
  const first = parameters.firstGroup ?? 0;
  if (!('counter' in workgroups)) return [first, first + workgroups[0] * workgroups[2]];
  return [workgroups.first, Math.min(all, workgroups.first + workgroups.most)];
}

describe('the slices of a pass', () => {
  it.each(trials)('have every workgroup of its dispatches once: %s', (_, shape, trial) => {
    const network = smallNetwork(shape);
    const { height, width } = network.inputShape;
    const program = programOf(network, { ...trial, ...shared, batch: BATCH, height, width });
    const { passes, lists } = encodeProgram(program);
    let divided = 0;
    for (const { launches, slices } of passes) {
      const rest = slices.flatMap((slice) => slice.launches);
      for (const launch of launches) {
        const { workgroups } = launch;
        const all =
          'counter' in workgroups
            ? Math.ceil((lists.counted[workgroups.counter >> 1]!.of * workgroups.factor) / workgroups.divisor)
            : workgroups[0] * workgroups[2];
        let end = 0;
        let count = 0;
        do {
          const slice = rest.shift()!;
          expect(slice.kernel).toBe(launch.kernel);
          const [from, to] = rangeOf(slice, all);
          expect(from).toBe(end);
          if ('counter' in slice.workgroups) expect(slice.workgroups.first).toBe(from);
          end = to;
          count++;
        } while (end < all);
        expect(end).toBe(all);
        if (count > 1) divided++;
      }
      expect(rest).toEqual([]);
    }
    expect(divided).toBeGreaterThan(2);
  });
});

describe('how much a submission may hold', () => {
  it('is the whole of a usual network on a GPU of unknown speed, and little on a software driver', () => {
    const work = new SubmissionBound(false).work;
    expect(work).toBeGreaterThan(2 * 3.7e9);
    // 20 GFLOP/s, as a slow integrated GPU attains: half a second.
    expect(work / 20e9).toBeLessThan(0.5);
    expect(new SubmissionBound(true).work).toBeLessThan(work / 10);
  });

  it('is 50 ms of what long runs attain, and grows with short ones only', () => {
    const bound = new SubmissionBound(false);
    const first = bound.work;
    bound.ran(1e8, 5);
    expect(bound.work).toBe(first);
    bound.ran(1e10, 5);
    expect(bound.work).toBe(1e11);
    bound.ran(1e10, 100);
    expect(bound.work).toBe(5e9);
    bound.ran(0, 100);
    expect(bound.work).toBeGreaterThan(0);
  });

  it('shrinks within a run when a submission takes longer, and does not grow for what masks leave out', () => {
    const bound = new SubmissionBound(false);
    const first = bound.work;
    bound.submitted(first, 1);
    expect(bound.work).toBe(first);
    bound.submitted(first, 800);
    expect(bound.work).toBe(first / 16);
  });
});
