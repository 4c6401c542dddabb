// @module-tag process
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getDevice, type Profile } from '@fovea/engine';
import type { ReferenceTable } from '@fovea/engine/predict';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture, fovea } from '../run-fovea.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-predict-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('fovea predict', () => {
  it('predicts for the device of a file, and refuses a field that devices do not have', async () => {
    const device = { ...getDevice('cpu-avx2'), name: 'mine' };
    const { memoryBandwidth: memoryBandwith, ...rest } = device;
    const [good, wrong, noJson] = ['good.json', 'wrong.json', 'no.json'].map((name) => join(folder, name));
    await writeFile(good!, JSON.stringify(device));
    await writeFile(wrong!, JSON.stringify({ ...rest, memoryBandwith }));
    await writeFile(noJson!, '{');
    const ask = (path: string) => fovea('predict', 'resnet18', '--device', path, '--json');
    const answer = await ask(good!);
    expect([answer.code, answer.stderr]).toEqual([0, '']);
    expect(JSON.parse(answer.stdout)).toMatchObject({ kind: 'predicted', device: 'mine', threads: 8 });
    expect((await ask(wrong!)).stderr).toMatch(
      /^fovea: device "mine": a field "memoryBandwith"; name, .* are accepted; did you mean memoryBandwidth\?\n$/,
    );
    expect((await ask(noJson!)).stderr).toMatch(/^fovea: device .*no\.json is not JSON: .*\n$/);
    expect((await ask(join(folder, 'absent.json'))).stderr).toMatch(
      /absent\.json cannot be read: there is no such file\n$/,
    );
  });

  it('prints the published static figure of a built-in network', async () => {
    const { code, stdout, stderr } = await fovea(
      ...['predict', 'resnet50', '--device', 'v100', '--model', 'published', '--strategy', 'dense', '--json'],
    );
    expect([code, stderr]).toEqual([0, '']);
    const profile = JSON.parse(stdout) as Profile;
    expect(profile).toMatchObject({ kind: 'predicted', source: 'published', device: 'v100', batch: 128 });
    expect(profile.totalMs / profile.batch).toBeCloseTo(0.9079, 4);
  });

  it('takes S by stage, a rate, a strategy, batch and threads', async () => {
    const { stdout } = await fovea(
      ...['predict', 'regnety800', '--device', 'cpu-avx2', '--granularity', '4,4,2,1', '--rate', '0.3'],
      ...['--strategy', 'lasnet', '--batch', '2', '--threads', '3', '--json'],
    );
    const profile = JSON.parse(stdout) as Profile;
    expect(profile).toMatchObject({ strategy: 'lasnet', batch: 2, threads: 3 });
    expect(profile.blocks.map(({ granularity }) => granularity).slice(0, 5)).toEqual([4, 4, 4, 4, 2]);
  });

  it('without --json prints a table that says it is a prediction', async () => {
    const { code, stdout } = await fovea('predict', 'resnet50', '--device', 'tx2', '--granularity', '4');
    expect(code).toBe(0);
    expect(stdout).toMatch(/resnet50 on tx2, streamed, batch 1 \(predicted, fovea model\)/);
    expect(stdout).toMatch(/layer4\.2 +4 +0\.50/);
  });

  it('names threads for a CPU only, since a GPU is used whole', async () => {
    const cpu = await fovea('predict', 'resnet18', '--device', 'cpu-avx2', '--threads', '2');
    expect(cpu.stdout).toContain('resnet18 on cpu-avx2, streamed, batch 1, 2 threads (predicted');
    for (const command of ['predict', 'search']) {
      const { code, stderr } = await fovea(command, 'resnet18', '--device', 'v100', '--threads', '8');
      expect([code, stderr]).toEqual([
        1,
        'fovea: --threads 8: only CPUs have threads; v100 is a GPU, which a prediction uses whole\n',
      ]);
    }
  });

  it('recomputes a table of rows, each from what it describes and not from what it says', async () => {
    const table = JSON.parse(
      await readFile(fixture('dynetsimulator_reference.json'), 'utf8'),
    ) as ReferenceTable & { networks: Record<string, unknown>[] };
    const blank = {
      ...table,
      rows: table.rows!.map((row) => ({ ...row, latency_s: 0, latency_us_per_image: 0 })),
      networks: table.networks.map((entry) => ({ ...entry, static_ms_per_image: 0 })),
    };
    const file = join(folder, 'rows.json');
    await writeFile(file, JSON.stringify(blank));
    const { code, stdout, stderr } = await fovea('predict', '--rows', file, '--json');
    expect([code, stderr]).toEqual([0, '']);
    const answer = JSON.parse(stdout) as typeof table;
    answer.rows!.forEach((row, i) => {
      const wanted = table.rows![i]!;
      const tolerance = wanted.deterministic ? 1e-9 : 2e-3;
      expect(Math.abs(row.latency_s! / wanted.latency_s! - 1), String(wanted.id)).toBeLessThan(tolerance);
    });
    answer.networks.forEach((entry, i) => {
      const wanted = table.networks[i]!.static_ms_per_image as number;
      expect(Math.abs((entry.static_ms_per_image as number) / wanted - 1)).toBeLessThan(1e-9);
    });
  });

  const refused: [name: string, args: string[], message: RegExp][] = [
    [
      'an unknown device',
      ['resnet50', '--device', 'abacus'],
      /'abacus' is not known: choose v100, .*cpu-avx512/,
    ],
    ['no device', ['resnet50'], /--device is needed/],
    ['no model', [], /needs a model, or --rows/],
    ['an unknown model', ['alexnet', '--device', 'v100'], /"alexnet"/],
    ['a rate above 1', ['resnet50', '--device', 'v100', '--rate', '1.5'], /1\.5/],
    ['S below 1', ['resnet50', '--device', 'v100', '--granularity', '0'], /"0"/],
    ['an unknown cost model', ['resnet50', '--device', 'v100', '--model', 'oracle'], /oracle/],
    ['rows that are not there', ['--rows', '/nowhere/rows.json'], /nowhere/],
    ['rows that are not JSON', ['--rows', fixture('lasnet-tiny.safetensors')], /not JSON/],
  ];
  for (const [name, args, message] of refused) {
    it(`refuses ${name} in one line, with exit code 1`, async () => {
      const { code, stdout, stderr } = await fovea('predict', ...args);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(message);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    });
  }
});
