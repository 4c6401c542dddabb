import { builtNetwork, randomMasker, run, saliencyMasker } from '@fovea/engine';
import { programOf, webgpuBackend } from '@fovea/engine/backend';
import { benchmark } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeProgram } from '../../../../engine/src/backends/webgpu/encode.js';
import { kernelTimings } from '../../../../engine/src/backends/webgpu/kernel-timings.js';
import { Tuning } from '../../../../engine/src/backends/webgpu/tuning.js';
import type { Convolve } from '../../../../engine/src/program/program.js';
import { missingOf } from '../../support/backends.js';
import { randomImages, smallNetwork } from '../../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

const passesOf = (strategy: 'lasnet' | 'streamed') =>
  encodeProgram(
    programOf(builtNetwork('resnet50'), { strategy, masker: saliencyMasker(0.5), granularity: 2 }),
  ).passes;

const features = { precision: 'f32', subgroups: true } as const;

/** A software driver compiles shaders for seconds each, on a busy machine for much longer. */
describe('the kernels of a run', { timeout: 300_000 }, () => {
  it('account for every pass and all of its time, the longest first', () => {
    const passes = passesOf('lasnet');
    const milliseconds = Float64Array.from(passes, (_, at) => 1 + (at % 7));
    const kernels = kernelTimings(passes, features, milliseconds);
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const times = kernels.map(({ totalMs }) => totalMs!);
    expect(sum(kernels.map((kernel) => kernel.passes))).toBe(passes.length);
    expect(sum(times)).toBeCloseTo(sum([...milliseconds]));
    expect(times).toEqual(times.toSorted((a, b) => b - a));
  });

  it('say whether lists are built by subgroups', () => {
    const passes = passesOf('lasnet');
    const lists = (subgroups: boolean) =>
      kernelTimings(passes, { ...features, subgroups }, undefined).filter(({ name }) => /^lists/.test(name));
    expect(lists(true)).toEqual([{ name: 'lists by subgroups', passes: 16 }]);
    expect(lists(false)).toEqual([{ name: 'lists', passes: 16 }]);
  });

  it('say in how many passes a rule chose a kernel among several, and nothing where timing did', () => {
    const ruledIn = (passes: ReturnType<typeof passesOf>) =>
      kernelTimings(passes, features, undefined).filter(({ byRule }) => byRule !== undefined);
    const passes = passesOf('lasnet');
    const convolutions = passes.filter(({ launches }) => launches.some(({ effort }) => effort));
    const byRule = ruledIn(passes);
    expect(byRule.every((kernel) => kernel.byRule === kernel.passes)).toBe(true);
    expect(byRule.reduce((sum, kernel) => sum + kernel.passes, 0)).toBe(convolutions.length);
    const tuning = new Tuning({ adapter: 'a GPU', driver: '', precision: 'f32' });
    const program = programOf(builtNetwork('resnet50'), {
      ...{ strategy: 'lasnet', masker: saliencyMasker(0.5), granularity: 2 },
    });
    const [first, ...others] = program.steps.flatMap(({ operations }) =>
      operations.filter((operation): operation is Convolve => operation.kind === 'convolve'),
    );
    for (const one of others) tuning.learn(one, tuning.variantsOf(one)[0]!);
    expect(tuning.byRule(first!)).toBe(true);
    expect(ruledIn(encodeProgram(program, tuning).passes).map((kernel) => kernel.byRule)).toEqual([1]);
    tuning.learn(first!, tuning.variantsOf(first!)[0]!);
    expect(ruledIn(encodeProgram(program, tuning).passes)).toEqual([]);
  });

  it('are named together where a pass has several, without what every adapter computes alike', () => {
    const names = kernelTimings(passesOf('streamed'), features, undefined).map(({ name }) => name);
    expect(names.some((name) => /^gemm \S+ \+ gemm \S+$/.test(name))).toBe(true);
    for (const name of names) if (name !== 'others') expect(name).not.toContain('others');
  });

  there('are in the Profile and in a benchmark, and not where no GPU computes', async () => {
    const network = smallNetwork({ strides: [1, 2] });
    const images = randomImages(network, 1);
    const options = { granularity: 2, strategy: 'lasnet' } as const;
    const profileOn = async (backend: 'webgpu' | 'reference') =>
      (await run(network, images, { ...options, masker: randomMasker(0.5), backend })).profile;
    const { kernels } = await profileOn('webgpu');
    const { timed, subgroups } = await openDevice('f32');
    const names = kernels!.map(({ name }) => name);
    expect(names).toContain(subgroups ? 'lists by subgroups' : 'lists');
    expect(names.some((name) => name.startsWith('gemm '))).toBe(true);
    for (const { totalMs } of kernels!) expect(totalMs !== undefined).toBe(timed);
    const { rows } = await benchmark(network, {
      ...{ ...options, backend: webgpuBackend, input: images, masker: 'random', rates: [0.5], runs: 1 },
    });
    const passes = (all: typeof kernels) => new Map(all!.map((kernel) => [kernel.name, kernel.passes]));
    expect(passes(rows[0]!.kernels)).toEqual(passes(kernels));
    expect((await profileOn('reference')).kernels).toBeUndefined();
  });
});
