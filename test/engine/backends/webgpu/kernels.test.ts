import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { type Kernel, wgslOf } from '../../../../engine/src/backends/webgpu/kernel.js';
import { missingOf } from '../../support/backends.js';
import { everyKernel } from './every-kernel.js';
import { conflicts } from './phases.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

/** What WebGPU promises on every adapter. */
const STORAGE_BUFFERS = 8;
const INVOCATIONS = 256;

const forms = (['f32', 'f16'] as const).flatMap((precision) =>
  [true, false].map((subgroups) => ({ precision, subgroups })),
);

/** Bytes of a shader's workgroup memory. */
function workgroupBytes(shader: string): number {
  const value = shader.includes('alias Value = vec4<f16>') ? 8 : 16;
  const sizes: Readonly<Record<string, number>> = {
    ...{ vec4i: 16, vec4f: 16, Value: value, u32: 4, f32: 4, f16: 2, 'atomic<u32>': 4 },
  };
  let bytes = 0;
  for (const [, whole, element, count] of shader.matchAll(
    /var<workgroup> \w+: (?:(\w+(?:<\w+>)?)|array<(\w+(?:<\w+>)?), (\d+)>);/g,
  )) {
    // As WebGPU counts.
    bytes += 16 * Math.ceil((sizes[(whole ?? element)!]! * Number(count ?? 1)) / 16);
  }
  return bytes;
}

const invocationsOf = (shader: string) => Number(/@workgroup_size\((\d+)\)/.exec(shader)![1]);

/**
 * Accesses that look as if they met: in a sum by halves, of which one is written and the other read; and of a list that is
 * made from another one, which an earlier dispatch has made.
 */
const APART: readonly RegExp[] = [/^s(?:um|ize)s: local \/ local \+ half$/, /^lists: l\.positions .* \/ /];

const conflictsOf = (shader: string) =>
  conflicts(shader).filter((conflict) => !APART.some((one) => one.test(conflict)));

/** Kernels that need each of their barriers; others have one after the last turn of a loop, too. */
const WITHOUT_SPARE =
  /^(learned|salient|salient of many|index|index ordered|normalise .*|(mean|max|response) 16 .*)$/;

describe.each(forms)('every kernel in $precision, subgroups $subgroups', { timeout: 300_000 }, (form) => {
  const kernels = everyKernel(form.precision);

  it('binds, takes and runs no more than WebGPU promises', () => {
    expect(kernels.length).toBeGreaterThan(100);
    for (const { kernel, bytes } of kernels) {
      const shader = wgslOf(kernel, form);
      expect(kernel.bindings.length, kernel.name).toBeLessThanOrEqual(STORAGE_BUFFERS);
      expect(invocationsOf(shader), kernel.name).toBeLessThanOrEqual(INVOCATIONS);
      expect(workgroupBytes(shader), kernel.name).toBeLessThanOrEqual(bytes);
    }
  });

  it('has a barrier between what one invocation writes and another reads', () => {
    for (const { kernel } of kernels) expect(conflictsOf(wgslOf(kernel, form)), kernel.name).toEqual([]);
  });

  it('shows where a barrier is left out', () => {
    for (const { kernel } of kernels) {
      const shader = wgslOf(kernel, form);
      const barriers = [...shader.matchAll(/(?:workgroup|storage)Barrier\(\);/g)];
      const needed = barriers.filter(({ index, 0: text }) => {
        const without = shader.slice(0, index) + shader.slice(index + text.length);
        return conflictsOf(without).length > 0;
      });
      if (barriers.length === 0) continue;
      expect(needed.length, kernel.name).toBeGreaterThan(0);
      if (WITHOUT_SPARE.test(kernel.name)) expect(needed.length, kernel.name).toBe(barriers.length);
    }
  });
});

/** What a compiler says of a kernel; nothing when that is in order, and its barriers in uniform control flow. */
async function complaints(kernel: Kernel): Promise<string[]> {
  const device = await openDevice('f32');
  device.gpu.pushErrorScope('validation');
  const module = device.gpu.createShaderModule({ code: wgslOf(kernel, device) });
  const { messages } = await module.getCompilationInfo();
  await device.gpu.popErrorScope();
  return messages.map(({ message }) => message);
}

describe('the compiler of the adapter', { timeout: 300_000 }, () => {
  there('takes every kernel without a complaint', async () => {
    for (const { kernel } of everyKernel('f32')) expect(await complaints(kernel), kernel.name).toEqual([]);
  });

  there('refuses a barrier that only some invocations reach', async () => {
    const { kernel } = everyKernel('f32').find((one) => one.kernel.name === 'learned')!;
    const code = kernel.code.replace('workgroupBarrier();', 'if (local > 3u) { workgroupBarrier(); }');
    expect((await complaints({ ...kernel, code })).join()).toMatch(/uniform/);
  });
});
