// @module-tag process
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { calibrationPath } from '@fovea/engine/predict';
import { beforeAll, describe, expect, it } from 'vitest';
import { useDataFolder } from '../../../support/data-folder.js';
import { until } from '../../waiting.js';
import { entry, fixture, fovea } from '../run-fovea.js';

const folder = useDataFolder();
beforeAll(() => {
  away = sweepAway();
});
const tiny = fixture('lasnet-tiny.safetensors');

function spec(name: string, space: object): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(
    path,
    JSON.stringify({ name, networks: [tiny], maskers: ['random'], runs: 1, threads: [1], ...space }),
  );
  return path;
}

/** Waits for 20 seconds: started first, so that other tests run meanwhile. */
const sweepAway = () => fovea('sweep', spec('away', {}), '--queue', 'redis://127.0.0.1:1');
let away: ReturnType<typeof sweepAway> | undefined;

const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describe('fovea sweep', () => {
  it('writes a record for every point, and writes the same again without running anything', async () => {
    const path = spec('first', { rates: [0.25, 1], strategies: ['streamed', 'lasnet'], repeats: 2 });
    const out = join(folder, 'first.jsonl');
    const { code, stdout } = await fovea('sweep', path, '--out', out, '--json');
    expect(code).toBe(0);
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ name: 'first', state: 'completed', points: 8, completed: 8, failed: 0 });
    const records = linesOf(out);
    expect(records).toHaveLength(8);
    for (const record of records) {
      expect(record).toMatchObject({ status: 'completed', attempts: 1, worker: expect.any(String) });
      expect(record.result.latencyMs.adaptive).toBeGreaterThan(0);
      // Everything active is the dense network; less of it is less work.
      if (record.point.rate === 1) expect(record.result.agreement.top1).toBe(1);
      else expect(record.result.flops).toBeLessThan(1);
    }
    const again = join(folder, 'again.jsonl');
    expect((await fovea('sweep', path, '--out', again)).code).toBe(0);
    expect(linesOf(again)).toEqual(records);
  });

  it('goes on after it was killed', async () => {
    const path = spec('killed', { rates: [0.5], repeats: 40, runs: 3 });
    const out = join(folder, 'killed.jsonl');
    const child = spawn(process.execPath, [entry, 'sweep', path, '--out', out], { stdio: 'ignore' });
    const closed = new Promise((resolve) => child.once('close', resolve));
    await until(() => existsSync(out) && linesOf(out).length >= 5, 30_000);
    child.kill('SIGKILL');
    await closed;
    const before = linesOf(out);
    const { code } = await fovea('sweep', path, '--out', out);
    expect(code).toBe(0);
    const after = new Map(linesOf(out).map((record) => [record.id, record]));
    expect(after.size).toBe(40);
    for (const record of before) expect(after.get(record.id)).toEqual(record);
  });

  it.each(['jsonl', 'csv'])('keeps other results in its file until it is complete (.%s)', async (ending) => {
    const name = `kept-${ending}`;
    const out = join(folder, `kept.${ending}`);
    expect((await fovea('sweep', spec(`before-${ending}`, { rates: [0.5] }), '--out', out)).code).toBe(0);
    const before = readFileSync(out, 'utf8');
    const journal = join(folder, 'data', 'sweeps', `${name}.jsonl`);
    const long = spec(name, { rates: [0.5], repeats: 10_000 });
    const child = spawn(process.execPath, [entry, 'sweep', long, '--out', out], { stdio: 'ignore' });
    const closed = new Promise((resolve) => child.once('close', resolve));
    await until(() => existsSync(journal) && linesOf(journal).length >= 3, 30_000);
    child.kill('SIGINT');
    await closed;
    expect(readFileSync(out, 'utf8')).toBe(before);
    expect((await fovea('sweep', spec(name, { rates: [0.5], repeats: 4 }), '--out', out)).code).toBe(0);
    const lines = readFileSync(out, 'utf8').trim().split('\n');
    expect([lines.length, lines.includes(before.trim())]).toEqual([ending === 'csv' ? 5 : 4, false]);
  });

  it('takes a space from a TypeScript module, and writes CSV', async () => {
    const path = join(folder, 'space.ts');
    writeFileSync(
      path,
      `const rates: readonly number[] = [0.5];\nexport default { name: 'typed', networks: [${JSON.stringify(tiny)}], rates, runs: 1 };\n`,
    );
    const out = join(folder, 'typed.csv');
    expect(await fovea('sweep', path, '--out', out)).toMatchObject({ code: 0 });
    const [head, row, ...rest] = readFileSync(out, 'utf8').trim().split('\n');
    expect(head).toMatch(/^id,status,kind,network,granularity,.*adaptiveMs,.*endedAt,error$/);
    expect(row).toMatch(/^p[0-9a-f]+,completed,measure,lasnet-tiny,/);
    expect(rest).toEqual([]);
  });

  it('started twice at once, leaves the records of the first whole', async () => {
    const path = spec('twice', { rates: [0.25, 0.5, 1], repeats: 10, runs: 100 });
    const out = join(folder, 'twice.jsonl');
    const child = spawn(process.execPath, [entry, 'sweep', path, '--out', out], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await until(() => existsSync(out) && linesOf(out).length >= 3, 30_000);
    const second = await fovea('sweep', path, '--out', out);
    expect(child.exitCode).toBeNull();
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('is under way in process')]);
    expect(await ended).toBe(0);
    expect(linesOf(out)).toHaveLength(30);
  });

  it('evaluates, fits and calibrates', { timeout: 120_000 }, async () => {
    const sweep = async (name: string, space: object) =>
      JSON.parse(
        (await fovea('sweep', spec(name, { maskers: undefined, runs: undefined, ...space }), '--json'))
          .stdout,
      );
    const evaluated = await sweep('evaluated', {
      ...{ kind: 'evaluate', networks: ['quick-look'], data: { images: 12, shard: 4 } },
    });
    expect(evaluated).toMatchObject({ completed: 3, failed: 0 });
    expect(evaluated.records[0].result).toMatchObject({ images: 4, accuracy: { dense: expect.any(Number) } });
    const fitted = await sweep('fitted', {
      kind: 'fit',
      networks: ['quick-look'],
      rates: [0.5],
      data: { images: 4 },
    });
    expect(fitted.records[0].result).toMatchObject({ images: 4, blocks: expect.any(Array) });
    expect(fitted.records[0].result.rate).toBeCloseTo(0.5, 1);
    const calibrated = await sweep('calibrated', {
      ...{ kind: 'calibrate', networks: undefined, threads: undefined, seconds: 1 },
    });
    expect(calibrated.records[0].result.device.source).toEqual(expect.any(String));
    expect(existsSync(calibrationPath())).toBe(true);
  });

  it.each([
    [{ rates: [] }, /has no points, because rates is an empty list: --yes runs it/],
    [{ repeats: 1_000_000 }, /has 1,000,000 points: --yes runs it/],
    [{ where: [{ gpu: 'h100' }] }, /no worker may take points for gpu=h100: this machine has/],
    [{ speed: [1] }, /field "speed" of a sweep/],
  ])('refuses %j in one line', async (space, message) => {
    const { code, stdout, stderr } = await fovea('sweep', spec('refused', space));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('runs a space without points when that is meant', async () => {
    const { code, stdout } = await fovea('sweep', spec('none', { rates: [] }), '--yes', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ points: 0, records: [] });
  });

  it.each([
    ['http://127.0.0.1', /queue http:\/\/127\.0\.0\.1: redis:\/\/host:port or rediss/],
    ['redis://127.0.0.1:1/x', /\/x is not the number of a database/],
  ])('names what is wrong with the queue %s', async (queue, message) => {
    for (const command of [['sweep', spec('unreachable', { rates: [0.5] })], ['worker']]) {
      const { code, stderr } = await fovea(...command, '--queue', queue);
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
  });

  it('gives up a queue that stays away, after saying that it waits', { timeout: 60_000 }, async () => {
    const begun = away ?? sweepAway();
    // A second try is one of its own.
    away = undefined;
    const { code, stderr } = await begun;
    const reason = 'fovea: queue redis://127.0.0.1:1 cannot be reached: nothing listens there';
    expect([code, stderr]).toEqual([1, `${reason}; waiting up to 20 s for it\n${reason}\n`]);
  });
});
