// @module-tag process
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SweepEvent } from '../../../kernel/src/sweep/backend.js';
import type { PointRecord, Where } from '../../../kernel/src/sweep/point.js';
import { sleep, until } from '../waiting.js';
import { ExecutionLog, fakePoint, submissionOf } from './support/points.js';
import { hasRedis, TestRedis } from './support/redis.js';

const supportFile = (name: string) => fileURLToPath(new URL(`./support/${name}`, import.meta.url));

/** The configuration that is shipped, without what the test server sets itself. */
const shipped = readFileSync(new URL('../../../kernel/resources/queue/redis.conf', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => !/^(bind|port) /.test(line));

const folder = mkdtempSync(join(tmpdir(), 'fovea-faults-'));
const log = new ExecutionLog(join(folder, 'executions'));
const children: ChildProcess[] = [];
let redis: TestRedis | undefined;

beforeAll(async () => {
  if (hasRedis) redis = await TestRedis.start(shipped);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await redis?.end();
  rmSync(folder, { recursive: true });
});

/** Which machines a point may run on. */
function selector(i: number): Where {
  if (i % 5 === 1) return { host: 'a' };
  if (i % 5 === 2) return { host: 'b' };
  return i % 5 === 3 ? { arch: process.arch } : {};
}

/** Those whose workers are killed wait for that. */
const work = (i: number): string =>
  i === 0 ? 'held 7000' : i === 2 ? 'held 5000' : i === 3 ? 'spin 9000' : `sleep ${20 + (i % 7) * 10}`;

describe('a sweep among dying processes', () => {
  it.skipIf(!hasRedis)(
    'has every result once, on the right machine, and runs twice only what was killed',
    { timeout: 170_000, retry: 0 },
    async () => {
      const url = `redis://fovea:change-this-password@127.0.0.1:${redis!.port}`;
      const points = Array.from({ length: 200 }, (_, i) => fakePoint(work(i), i, selector(i)));
      const killedAnywhere = points[0]!.id;
      const killedOnItsHost = points[2]!.id;
      const env = { ...process.env, EXEC_LOG: log.path };

      const workers = new Map<string, ChildProcess>();
      const startWorker = async (name: string) => {
        const child = fork(supportFile('worker-process.mjs'), [url, name], { env });
        children.push(child);
        workers.set(name, child);
        await once(child, 'message');
      };
      const ended = new Set<string>();
      let done: readonly PointRecord[] | undefined;
      let resumed = 0;
      const startNotebook = () => {
        const child = fork(supportFile('notebook-process.mjs'), { env });
        children.push(child);
        child.send({ url, submission: submissionOf(points) });
        child.on(
          'message',
          (
            message:
              | SweepEvent
              | { type: 'done'; records: PointRecord[] }
              | { type: 'open'; resumed: number },
          ) => {
            if (message.type === 'done') done = message.records;
            if (message.type === 'open') resumed = message.resumed;
            if (message.type === 'record') ended.add(message.record.id);
          },
        );
        return child;
      };

      const notebook = startNotebook();
      await Promise.all(['a', 'b', 'c'].map(startWorker));

      /** Kills the worker that has just started a point, and starts it again unless it is not needed. */
      const killWorkerOf = async (id: string, isNeeded: (name: string) => boolean) => {
        await until(() => log.starts(id) === 1, 60_000);
        await sleep(500);
        const victim = log.entries().find((entry) => entry.what === 'start' && entry.id === id)!.worker;
        workers.get(victim)!.kill('SIGKILL');
        await sleep(2500);
        if (isNeeded(victim)) await startWorker(victim);
      };
      await Promise.all([
        killWorkerOf(killedOnItsHost, () => true),
        // No point needs machine c: it stays away for good.
        killWorkerOf(killedAnywhere, (name) => name !== 'c'),
      ]);

      await sleep(1000);
      await redis!.kill();
      await sleep(2000);
      await redis!.up();
      const before = ended.size;
      await until(() => ended.size > before, 30_000);

      notebook.kill('SIGKILL');
      await sleep(1000);
      startNotebook();
      await until(() => done !== undefined, 90_000);

      expect(resumed).toBeGreaterThan(0);
      const records = done!;
      expect(records.filter(({ status }) => status !== 'completed')).toEqual([]);
      expect(new Set(records.map(({ id }) => id))).toEqual(new Set(points.map(({ id }) => id)));
      expect(records).toHaveLength(200);
      const wrong = records.filter(
        ({ point, worker }) => 'host' in point.where && !worker.startsWith(point.where.host!),
      );
      expect(wrong).toEqual([]);
      const repeated = points.filter(({ id }) => log.starts(id) !== 1).map(({ id }) => id);
      expect(new Set(repeated)).toEqual(new Set([killedAnywhere, killedOnItsHost]));
      for (const id of repeated) expect(log.starts(id)).toBe(2);
    },
  );
});
