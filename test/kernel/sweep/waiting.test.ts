// @module-tag process
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QueueBackend } from '../../../kernel/src/sweep/queue/backend.js';
import { Sweep } from '../../../kernel/src/sweep/sweep.js';
import { fixture } from '../cli/run-fovea.js';
import { until } from '../waiting.js';
import { hasRedis, TestRedis } from './support/redis.js';

const entry = fileURLToPath(new URL('../../../kernel/bin/fovea.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'fovea-waiting-'));
let redis: TestRedis | undefined;
beforeAll(async () => {
  if (hasRedis) redis = await TestRedis.start(['save ""', 'user default on >right ~* &* +@all']);
});
afterAll(async () => {
  await redis?.end();
  rmSync(folder, { recursive: true });
});

/** Runs the command and gathers what it says, line by line. */
function start(...args: string[]) {
  const env = { ...process.env, FOVEA_DATA_DIR: join(folder, 'data') };
  const child = spawn(process.execPath, [entry, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, code, lines: () => said.split('\n').filter(Boolean) };
}

describe('a queue that is down when somebody comes', () => {
  it.skipIf(!hasRedis)(
    'is waited for by a worker and by a sweep, which say so in one line and go on',
    async () => {
      const url = `redis://:right@127.0.0.1:${redis!.port}`;
      const shown = `queue redis://127.0.0.1:${redis!.port} cannot be reached: nothing listens there`;
      await redis!.kill();
      const spec = join(folder, 'spec.json');
      writeFileSync(
        spec,
        JSON.stringify({
          name: 'late',
          networks: [fixture('lasnet-tiny.safetensors')],
          rates: [0.5],
          runs: 1,
        }),
      );
      const worker = start('worker', '--queue', url, '--name', 'early');
      const sweep = start('sweep', spec, '--queue', url);
      await until(() => worker.lines().length > 0 && sweep.lines().length > 0, 30_000);
      expect(worker.lines()).toEqual([`fovea worker: ${shown}; waiting for it`]);
      expect(sweep.lines()).toEqual([`fovea: ${shown}; waiting up to 20 s for it`]);
      await redis!.up();
      expect(await sweep.code).toBe(0);
      expect(worker.lines()[1]).toMatch(/^fovea worker: early serves the queue with engine /);
      worker.child.kill('SIGTERM');
      expect(await worker.code).toBe(0);
    },
  );

  it.skipIf(!hasRedis)('is not waited for where it is up and refuses', async () => {
    for (const [database, said] of [
      [':wrong@', 'refuses these credentials'],
      ['', 'refuses these credentials: there is no password, in the address or in FOVEA_QUEUE_PASSWORD'],
    ] as const) {
      const worker = start('worker', '--queue', `redis://${database}127.0.0.1:${redis!.port}`);
      expect(await worker.code).toBe(1);
      expect(worker.lines()).toEqual([`fovea: queue redis://127.0.0.1:${redis!.port} ${said}`]);
    }
    await expect(
      QueueBackend.connect(`redis://:right@127.0.0.1:${redis!.port}/9999`, { waitMs: 20_000 }),
    ).rejects.toThrow(/cannot be used: ERR .*index is out of range/);
  });

  it('is no longer waited for when somebody interrupts', async () => {
    const interruption = new AbortController();
    const waiting = Sweep.start(
      { networks: ['quick-look'] },
      {
        queue: 'redis://127.0.0.1:1',
        signal: interruption.signal,
        onWaiting: () => interruption.abort(),
      },
    );
    await expect(waiting).rejects.toThrow('waiting for the queue was aborted');
  });
});
