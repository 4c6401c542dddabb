// @module-tag process
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { missingOf } from '../engine/support/backends.js';

const script = new URL('../../scripts/bench/gpu.mjs', import.meta.url);
const { textOf, together, peakOf } = await import(script.href);

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

const row = {
  ...{ network: 'resnet50', precision: 'f32', batch: 8, rate: 0.5, denseMs: 20, engineMs: 10 },
  ...{ speedup: 2, realisedOverIdeal: 0.95, flops: 40e9 },
};
const measured = {
  ...{ device: 'nvidia-h200', measuredAt: '2027-01-01' },
  ...{ rows: [row, { ...row, batch: 32, torchMs: 15 }], left: ['predictions: near'] },
};

describe('npm run bench gpu', () => {
  it('writes a line for each setting, with the share of the peak, and what is missing', () => {
    const text: string = textOf(measured, 8000);
    const lines = text.split('\n').filter((line) => line.startsWith('| resnet50') && line.includes('20.00'));
    const cells = lines.map((line) => line.split('|').map((cell) => cell.trim()));
    expect(cells.map((line) => line.slice(1, -1).join(' '))).toEqual([
      'resnet50 f32 8 0.5 20.00 – 10.00 2.00 0.95 4000 50.0 %',
      'resnet50 f32 32 0.5 20.00 15.00 10.00 2.00 0.95 4000 50.0 %',
    ]);
    expect(text).toContain('nvidia-h200, 2027-01-01');
    expect(text).toContain('- predictions: near');
  });

  it('says which kernels ran in each setting, with their share of the time where passes are timed', () => {
    const kernels = [
      { name: 'matrices 64x64', passes: 33, totalMs: 6 },
      { name: 'gemm 32x32 + winograd', passes: 4, byRule: 1, totalMs: 1.5 },
      { name: 'lists by subgroups', passes: 16, totalMs: 0.5 },
    ];
    const untimed = kernels.map(({ totalMs: _, byRule: __, ...kernel }) => kernel);
    const rows = [
      { ...row, kernels },
      { ...row, batch: 32, kernels: untimed },
      { ...row, batch: 128 },
      { ...row, batch: 256, kernels: [{ name: 'gemm 32x32', passes: 9, byRule: 9 }] },
    ];
    const text: string = textOf({ ...measured, rows }, 8000);
    const lines = text.slice(text.indexOf('The kernels')).split('\n');
    const cells = lines.filter((line) => line.startsWith('| resnet50')).map((line) => line.split('|'));
    expect(cells.map((line) => line.slice(3, -1).map((cell) => cell.trim()))).toEqual([
      [
        '8',
        '0.5',
        'matrices 64x64 75.0 % (33), gemm 32x32 + winograd 18.8 % (4, 1 by a rule), lists by subgroups 6.3 % (16)',
      ],
      ['32', '0.5', 'matrices 64x64 (33), gemm 32x32 + winograd (4), lists by subgroups (16)'],
      ['128', '0.5', '–'],
      ['256', '0.5', 'gemm 32x32 (9, by a rule)'],
    ]);
  });

  it('adds a part measured later to what is kept of the same GPU, and to nothing else', () => {
    const later = { ...measured, rows: [{ ...row, engineMs: 5 }], left: [] };
    const both = together(later, measured);
    expect(both.rows.map(({ batch, engineMs }: typeof row) => [batch, engineMs])).toEqual([
      [8, 5],
      [32, 10],
    ]);
    expect(both.left).toEqual(['predictions: near']);
    expect(together(later, { ...measured, device: 'another' })).toEqual(later);
    expect(together(later, undefined)).toEqual(later);
  });

  it('knows the peak of a data sheet by how Dawn and browsers write the name', () => {
    const peaks = ['nvidia-geforce-rtx-3090', 'NVIDIA GeForce RTX 3090'].map((name) => peakOf({}, name));
    expect(peaks).toEqual([35_600, 35_600]);
    expect(peakOf({}, 'nvidia-h100-pcie')).toBe(51e3);
    expect(peakOf({}, 'amd-radeon')).toBeUndefined();
    expect(peakOf({ peak: '67' }, 'amd-radeon')).toBe(67e3);
    expect(() => peakOf({ peak: 'high' }, 'x')).toThrow(/--peak high: TFLOP\/s above 0/);
  });

  const bench = (...options: string[]) =>
    spawnSync(process.execPath, ['scripts/bench.mjs', 'gpu', ...options], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      encoding: 'utf8',
    });

  it.each([
    ['--try', 'times of a trial are not written'],
    ['--no-tune', 'the times kept are those of tuned kernels'],
  ])('does not write what was measured with %s', (option, why) => {
    const { status, stderr } = bench(option, '--write');
    expect([status, stderr]).toEqual([1, `fovea: ${option} with --write: ${why}\n`]);
  });

  there('refuses a software driver in one line', () => {
    const { status, stdout, stderr } = bench('--write', '--networks', 'resnet18', '--batches', '1');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^fovea: only a software driver is here: .*\n$/);
  });
});
