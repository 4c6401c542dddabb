import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomMasker, releaseNetwork, run } from '@fovea/engine';
import { programOf, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { fusionsAt } from '../../../../engine/src/backends/webgpu/fusions.js';
import { tuneAlone } from '../../../../engine/src/backends/webgpu/kept-tuning.js';
import * as inBrowser from '../../../../engine/src/backends/webgpu/kept-tuning-nowhere.js';
import { LaunchTimer } from '../../../../engine/src/backends/webgpu/launch-timer.js';
import { tune } from '../../../../engine/src/backends/webgpu/tune.js';
import { type TunedOn, Tuning, tuningOf } from '../../../../engine/src/backends/webgpu/tuning.js';
import {
  ruled,
  VARIANTS,
  type Variant,
  variantsOf,
} from '../../../../engine/src/backends/webgpu/variants.js';
import type { Convolve } from '../../../../engine/src/program/program.js';
import { useDataFolder } from '../../../support/data-folder.js';
import { missingOf } from '../../support/backends.js';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);
const tuned = webgpuBackendWith({ tune: true });

const folder = useDataFolder();
const file = () => join(folder, 'data', 'webgpu-tuning.json');

const options = { masker: randomMasker(0.5), granularity: 2 } as const;

function convolutionsOf(network: ReturnType<typeof smallNetwork>, batch: number): Convolve[] {
  const { height, width } = network.inputShape;
  const { steps } = programOf(network, { ...options, batch, height, width });
  return steps.flatMap(({ operations }) =>
    operations.filter((operation): operation is Convolve => operation.kind === 'convolve'),
  );
}

async function thisGpu(): Promise<TunedOn> {
  return (await openDevice('f32')).tunedOn;
}

/** Runs a network with one variant wherever it may stand. */
async function runWith(variant: Variant, network: ReturnType<typeof smallNetwork>) {
  const tuning = tuningOf(await thisGpu());
  for (const operation of convolutionsOf(network, 2)) {
    const known = variantsOf(operation);
    tuning.learn(operation, known.includes(variant) ? variant : ruled.one(operation));
  }
  // Timing might find convolutions faster in one dispatch with their neighbours, which is not the variant's kernel.
  const apart = [
    vi.spyOn(tuning, 'knows').mockReturnValue(true),
    vi.spyOn(tuning, 'fused').mockReturnValue(undefined),
  ];
  try {
    return await run(network, randomImages(network, 2), { ...options, backend: tuned });
  } finally {
    for (const spy of apart) spy.mockRestore();
  }
}

describe('variants of a kernel', { timeout: 300_000 }, () => {
  const wide = { channels: 100, width: 72, strides: [1, 2] };
  const trials = [
    ...VARIANTS.gemm.map((variant) => [variant.family, variant, smallNetwork(wide)] as const),
    ...VARIANTS.depthwise.map((variant) => {
      const network = smallNetwork({
        kind: 'inverted',
        channels: 13,
        width: 150,
        groups: 150,
        strides: [1, 2],
      });
      return [variant.family, variant, network] as const;
    }),
  ];
  there.each(trials)('%s agrees with plain loops', async (family, variant, network) => {
    const expected = await run(network, randomImages(network, 2), { ...options, backend: 'reference' });
    const { output, profile } = await runWith(variant, network);
    expect(profile.notes.find((note) => note.startsWith('convolutions: '))).toMatch(
      new RegExp(`\\d+ ${family}[,;].*chosen by timing them on this GPU`),
    );
    expect(profile.kernels!.flatMap(({ name }) => name.split(' + '))).toContain(family);
    expect(relativeError(output.data, expected.output.data)).toBeLessThan(1e-4);
  });
});

describe('timing kernels on the adapter', { timeout: 600_000 }, () => {
  there('is done once for a shape, before its first run, and kept in a file', async () => {
    const network = smallNetwork({ strides: [1], channels: 20 });
    const images = randomImages(network, 1);
    const gpu = await thisGpu();
    const operations = convolutionsOf(network, 1);
    const ruled = await run(network, images, { ...options, backend: 'webgpu' });
    const { software, created } = await openDevice('f32');
    expect(operations.some((operation) => tuningOf(gpu).find(operation))).toBe(!software);
    const fusions = programOf(network, { ...options, batch: 1, height: 13, width: 11 }).steps.flatMap(
      (step) => step.operations.flatMap((_, at) => fusionsAt(step.operations, at)),
    );
    const isTuned = () =>
      operations.every((one) => tuningOf(gpu).find(one)) && fusions.every((one) => tuningOf(gpu).knows(one));
    do {
      const first = await run(network, images, { ...options, backend: tuned });
      expect(relativeError(first.output.data, ruled.output.data)).toBeLessThan(1e-5);
      // What a busy machine does not time within 20 s is left to the next session.
      if (!isTuned()) await releaseNetwork(network);
    } while (!isTuned());
    for (const operation of operations) {
      expect(tuningOf(gpu).find(operation)).toBeDefined();
      // Another process reads what this one has timed.
      expect(new Tuning(gpu).find(operation)).toBe(tuningOf(gpu).find(operation));
    }
    const after = { ...created };
    await run(network, images, { ...options, masker: randomMasker(0.2), backend: tuned });
    expect(created).toEqual(after);
  });

  there('times no more of a large convolution than a submission may hold', async () => {
    const device = await openDevice('f32');
    const program = programOf(smallNetwork(), { ...options, batch: 8, height: 13, width: 11 });
    const rowsWithin = async (work: number) => {
      const bound = vi.spyOn(device.bound, 'work', 'get').mockReturnValue(work);
      const timing = vi.spyOn(LaunchTimer.prototype, 'ms').mockResolvedValue(1);
      try {
        await tune(
          device,
          program,
          new Tuning({ adapter: `bound to ${work}`, driver: '', precision: 'f32' }),
        );
        return timing.mock.calls.map(([{ kernel, parameters }]) => [kernel.name, parameters.rows!] as const);
      } finally {
        timing.mockRestore();
        bound.mockRestore();
      }
    };
    const whole = await rowsWithin(Number.POSITIVE_INFINITY);
    const some = await rowsWithin(1e4);
    expect(some.map(([name]) => name)).toEqual(whole.map(([name]) => name));
    for (const [at, [name, rows]] of some.entries()) {
      expect(rows, name).toBeGreaterThan(0);
      expect(rows, name).toBeLessThan(whole[at]![1]);
    }
  });

  there('says how many the rule chose, where timing came to nothing', async () => {
    const network = smallNetwork({ strides: [1], channels: 24 });
    const timing = vi.spyOn(LaunchTimer.prototype, 'ms').mockRejectedValue(new Error('no memory'));
    try {
      const { profile } = await run(network, randomImages(network, 1), { ...options, backend: tuned });
      const tuning = tuningOf(await thisGpu());
      const left = convolutionsOf(network, 1).filter((one) => !tuning.find(one)).length;
      expect(left).toBeGreaterThan(0);
      expect(profile.notes.find((note) => note.startsWith('convolutions: '))).toMatch(
        new RegExp(`chosen by timing them on this GPU, ${left} of them by a rule, .* within 20 s$`),
      );
    } finally {
      timing.mockRestore();
    }
  });

  it('waits for what another session times, and takes that over', async () => {
    const [one] = convolutionsOf(smallNetwork(), 1);
    const on: TunedOn = { adapter: 'shared', driver: '', precision: 'f32' };
    const tuning = new Tuning(on);
    let inside = 0;
    await tuneAlone(async () => {
      void tuneAlone(async () => void inside++);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(inside).toBe(0);
      const other = new Tuning(on);
      other.learn(one!, VARIANTS.gemm[2]!);
      await other.keep();
    });
    await expect.poll(() => inside).toBe(1);
    expect(tuning.find(one!)).toBeUndefined();
    tuning.readAgain();
    expect(tuning.find(one!)).toBe(VARIANTS.gemm[2]);
    expect(tuning.revision).toBe(1);
  });

  it('takes turns with other pages in a browser, where that has locks', async () => {
    const requested: string[] = [];
    const request = (name: string, work: () => Promise<void>) => {
      requested.push(name);
      return work();
    };
    let done = 0;
    vi.stubGlobal('navigator', { locks: { request } });
    await inBrowser.tuneAlone(async () => void done++);
    vi.stubGlobal('navigator', {});
    await inBrowser.tuneAlone(async () => void done++);
    vi.unstubAllGlobals();
    expect([done, requested]).toEqual([2, ['fovea webgpu tuning']]);
  });

  there('times nothing that another session has timed while it was waited for', async () => {
    const network = smallNetwork();
    const device = await openDevice('f32');
    const on = { ...device.tunedOn, driver: 'of this test' };
    const program = programOf(network, { ...options, batch: 1, height: 8, width: 8 });
    // Equal times: how many are taken depends on which fusions win.
    const timing = vi.spyOn(LaunchTimer.prototype, 'ms').mockImplementation(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return 1;
    });
    await tune(device, program, new Tuning(on));
    const times = timing.mock.calls.length;
    rmSync(file());
    const both = [new Tuning(on), new Tuning(on)];
    await Promise.all(both.map((tuning) => tune(device, program, tuning)));
    expect(times).toBeGreaterThan(0);
    expect(timing.mock.calls.length).toBe(2 * times);
    timing.mockRestore();
    expect(both[0]!.shapes).toBe(both[1]!.shapes);
  });

  it('knows nothing of another driver, precision or version', async () => {
    const gpu: TunedOn = { adapter: 'a GPU', driver: '1', precision: 'f32' };
    const [operation] = convolutionsOf(smallNetwork(), 1);
    const tuning = new Tuning(gpu);
    tuning.learn(operation!, VARIANTS.gemm[0]!);
    await tuning.keep();
    expect(new Tuning(gpu).find(operation!)).toBe(VARIANTS.gemm[0]);
    expect(new Tuning({ ...gpu, driver: '2' }).find(operation!)).toBeUndefined();
    expect(new Tuning({ ...gpu, precision: 'f16' }).find(operation!)).toBeUndefined();
    const content = JSON.parse(readFileSync(file(), 'utf8'));
    writeFileSync(file(), JSON.stringify({ ...content, engine: '0.0.0' }));
    expect(new Tuning(gpu).find(operation!)).toBeUndefined();
  });

  it.each([
    '',
    '{"engine":',
    '[]',
    '{"engine":"VERSION","tuning":7}',
    '{"engine":"VERSION","tuning":{"G":[1]}}',
  ])('takes a broken file for an empty one and writes over it: %s', async (text) => {
    const gpu: TunedOn = { adapter: 'G', driver: 'd', precision: 'f32' };
    const [operation] = convolutionsOf(smallNetwork(), 1);
    const fresh = () => new Tuning(gpu).find(operation!);
    const tuning = new Tuning(gpu);
    tuning.learn(operation!, VARIANTS.gemm[1]!);
    await tuning.keep();
    const { engine } = JSON.parse(readFileSync(file(), 'utf8'));
    writeFileSync(file(), text.replace('VERSION', engine));
    expect(fresh()).toBeUndefined();
    await tuning.keep();
    expect(fresh()).toBe(VARIANTS.gemm[1]);
  });

  it('keeps what two processes add at once', async () => {
    rmSync(file(), { force: true });
    const [held, go] = [join(folder, 'held'), join(folder, 'go')];
    const adds = async (gpu: string, between = '') => {
      const lib = new URL('../../../../engine/lib/backends/webgpu/kept-tuning.js', import.meta.url).href;
      const program = `
        const { existsSync, writeFileSync } = await import('node:fs');
        const { changeTuning } = await import(${JSON.stringify(lib)});
        await changeTuning((kept) => {
          ${between}
          return { ...kept, ${gpu}: { shape: 'gemm' } };
        });`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
      return (await once(child, 'close'))[0];
    };
    const clock = 'new Int32Array(new SharedArrayBuffer(4))';
    const first = adds(
      'one',
      `writeFileSync(${JSON.stringify(held)}, '');
       while (!existsSync(${JSON.stringify(go)})) Atomics.wait(${clock}, 0, 0, 5);`,
    );
    await expect.poll(() => existsSync(held), { timeout: 60_000 }).toBe(true);
    let isDone = false;
    const second = adds('other').finally(() => {
      isDone = true;
    });
    // It waits for the first one, or would have ended without it.
    const isWaiting = () => isDone || existsSync(`${file()}.lock.waiting`);
    await expect.poll(isWaiting, { timeout: 60_000 }).toBe(true);
    writeFileSync(go, '');
    expect(await Promise.all([first, second])).toEqual([0, 0]);
    const { tuning } = JSON.parse(readFileSync(file(), 'utf8'));
    expect(Object.keys(tuning)).toEqual(['one', 'other']);
  }, 180_000);

  it('keeps nothing where it cannot be written, and goes on', async () => {
    rmSync(join(folder, 'data'), { recursive: true, force: true });
    writeFileSync(join(folder, 'data'), '');
    try {
      await new Tuning({ adapter: 'G', driver: 'd', precision: 'f32' }).keep();
    } finally {
      rmSync(join(folder, 'data'));
    }
  });

  it('keeps what other processes have timed, and so many GPUs and shapes at most', async () => {
    const gpu = (number: number): TunedOn => ({ adapter: `GPU ${number}`, driver: '', precision: 'f32' });
    const [operation] = convolutionsOf(smallNetwork(), 1);
    const resized = (side: number): Convolve => ({
      ...operation!,
      destination: { ...operation!.destination, shape: [1, 1, side, 8] },
    });
    const [one, other] = [new Tuning(gpu(0)), new Tuning(gpu(0))];
    one.learn(resized(1), VARIANTS.gemm[2]!);
    await one.keep();
    other.learn(resized(2), VARIANTS.gemm[3]!);
    await other.keep();
    expect([1, 2].map((side) => new Tuning(gpu(0)).find(resized(side))?.family)).toEqual([
      'gemm 64x64',
      'gemm 32x32',
    ]);
    for (let side = 1; side <= 3000; side++) one.learn(resized(side), VARIANTS.gemm[1]!);
    await one.keep();
    expect(new Tuning(gpu(0)).shapes).toBe(2048);
    expect(new Tuning(gpu(0)).find(resized(3000))).toBe(VARIANTS.gemm[1]);
    for (let number = 1; number <= 8; number++) {
      const next = new Tuning(gpu(number));
      next.learn(operation!, VARIANTS.gemm[1]!);
      await next.keep();
    }
    const { tuning } = JSON.parse(readFileSync(file(), 'utf8'));
    expect(Object.keys(tuning).map((name) => name.split(' |')[0])).toEqual(
      [8, 7, 6, 5, 4, 3, 2, 1].map((number) => `GPU ${number}`),
    );
  });
});
