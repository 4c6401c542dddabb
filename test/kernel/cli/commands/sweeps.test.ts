import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useDataFolder } from '../../../support/data-folder.js';
import { hasRedis, useQueue } from '../../sweep/support/redis.js';
import { until } from '../../waiting.js';
import { entry, fixture, fovea } from '../run-fovea.js';

const folder = useDataFolder();
const queueOption = useQueue();

function spec(name: string, repeats: number): string {
  const path = join(folder, `${name}.json`);
  const networks = [fixture('lasnet-tiny.safetensors')];
  writeFileSync(path, JSON.stringify({ name, networks, rates: [0.5], runs: 1, threads: [1], repeats }));
  return path;
}

const listed = async (...args: string[]) => JSON.parse((await fovea('sweeps', ...args, '--json')).stdout);

/** Starts a sweep and lets it run. */
function start(...args: string[]) {
  const child = spawn(process.execPath, [entry, 'sweep', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  return new Promise<{ code: number | null; said: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, said })),
  );
}

describe('fovea sweeps', () => {
  it('lists, shows, cancels and removes those of this machine, also while they run', {
    timeout: 120_000,
  }, async () => {
    expect(await fovea('sweeps')).toEqual({ code: 0, stdout: 'no sweeps\n', stderr: '' });
    expect((await fovea('sweep', spec('done', 2))).code).toBe(0);
    const running = start(spec('long', 20_000));
    let sweeps = await listed();
    await until(async () => {
      sweeps = await listed();
      return sweeps[1]?.completed > 0;
    }, 60_000);
    expect(sweeps).toEqual([
      { name: 'done', kind: 'measure', state: 'completed', points: 2, completed: 2, failed: 0 },
      {
        ...{ name: 'long', kind: 'measure', state: 'running', points: 20_000 },
        completed: expect.any(Number),
        failed: 0,
      },
    ]);
    const cancelled = await fovea('sweeps', 'cancel', 'long');
    expect(cancelled.stderr).toBe('');
    expect(await running).toEqual({
      code: 1,
      said: expect.stringMatching(/^sweep long: cancelled, \d+ of 20000 /),
    });
    const { stdout } = await fovea('sweeps');
    expect(stdout).toMatch(/^sweep +kind +state +points +completed +failed\n/);
    expect(stdout).toMatch(/\nlong +measure +stopped +20000 +\d+ +0\n$/);
    const shown = await listed('show', 'done');
    expect(shown).toMatchObject({ name: 'done', state: 'completed', space: { repeats: 2 } });
    expect(shown.records).toHaveLength(2);
    expect((await fovea('sweeps', 'show', 'done')).stdout).toMatch(
      /^sweep done: completed, 2 of 2 points completed\n\nnetwork/,
    );
    expect((await fovea('sweeps', 'remove', 'done')).stdout).toBe('sweep done is removed, with 2 records\n');
    expect(await fovea('sweeps', 'cancel', 'done')).toEqual({
      ...{ code: 1, stdout: '' },
      stderr: 'fovea: no sweep "done" is here: there are long\n',
    });
  });

  it.skipIf(!hasRedis)('lists, cancels and removes those of a queue', { timeout: 120_000 }, async () => {
    const queue = queueOption();
    const watching = start(spec('queued', 10_000), ...queue);
    await until(async () => (await listed(...queue))[0]?.points === 10_000, 60_000);
    expect((await fovea('sweeps', 'remove', 'queued', ...queue)).stderr).toBe(
      'fovea: sweep queued is waiting; cancel it first\n',
    );
    const started = performance.now();
    expect((await fovea('sweeps', 'cancel', 'queued', ...queue)).stdout).toMatch(
      /queued +measure +stopped +10000 +0 +0\n$/,
    );
    expect(performance.now() - started).toBeLessThan(20_000);
    expect((await watching).said).toMatch(/^sweep queued: cancelled, 0 of 10000 /);
    expect(await fovea('sweeps', 'remove', 'queued', ...queue)).toMatchObject({ code: 0, stderr: '' });
    expect(await listed(...queue)).toEqual([]);
  });
});
