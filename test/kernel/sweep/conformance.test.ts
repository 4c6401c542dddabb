// @module-tag process
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SweepBackend } from '../../../kernel/src/sweep/backend.js';
import { EmbeddedBackend } from '../../../kernel/src/sweep/embedded/backend.js';
import { QueueBackend } from '../../../kernel/src/sweep/queue/backend.js';
import { QueueWorker } from '../../../kernel/src/sweep/queue/worker.js';
import { allRecords, ExecutionLog, fakePoint, fakeRunner, submissionOf, Watcher } from './support/points.js';
import { hasRedis, TestRedis } from './support/redis.js';

/** Somewhere that sweeps can run. */
interface Place {
  /** Opens the place once more, as a process would that starts after another one has ended. */
  open(): Promise<SweepBackend>;
  close(): Promise<void>;
}

const labels = { host: 'a' };
let folder: string;
let log: ExecutionLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-sweep-'));
  log = new ExecutionLog(join(folder, 'executions'));
  process.env.EXEC_LOG = log.path;
});
afterEach(() => {
  delete process.env.EXEC_LOG;
  rmSync(folder, { recursive: true });
});

async function embedded(): Promise<Place> {
  return {
    open: async () => new EmbeddedBackend({ folder: join(folder, 'journals'), labels, runner: fakeRunner }),
    close: async () => undefined,
  };
}

let redis: TestRedis | undefined;
beforeAll(async () => {
  if (hasRedis) redis = await TestRedis.start();
});
afterAll(() => redis?.end());

let database = 0;
async function queue(): Promise<Place> {
  const url = `${redis!.url}/${database++}`;
  const worker = await QueueWorker.connect(url, { labels, runner: fakeRunner, engine: '1.2.3' });
  const running = worker.run();
  return {
    open: () => QueueBackend.connect(url, { engine: '1.2.3' }),
    close: async () => {
      worker.stop();
      worker.stop();
      await running;
    },
  };
}

describe.each([
  ['embedded', embedded, true],
  ['on a queue', queue, hasRedis],
] as const)('sweeps %s', (_, start, available) => {
  let place: Place;
  let backend: SweepBackend;
  beforeEach(async () => {
    if (!available) return;
    place = await start();
    backend = await place.open();
  });
  afterEach(async () => {
    if (!available) return;
    await backend.close();
    await place.close();
  });

  it.skipIf(!available)('runs every point once and keeps its record', async () => {
    const points = [fakePoint('sleep 20'), fakePoint('sleep 20', 1, { host: 'a' }), fakePoint('sleep 0')];
    const watcher = new Watcher(backend);
    await backend.submit(submissionOf(points));
    await watcher.points(3);
    const records = await allRecords(backend);
    expect(records.map(({ id }) => id).sort()).toEqual(points.map(({ id }) => id).sort());
    for (const { id, point } of points) expect(log.starts(id), point.network).toBe(1);
    const record = records.find(({ id }) => id === points[1]!.id)!;
    expect(record).toMatchObject({
      point: points[1]!.point,
      status: 'completed',
      result: { slept: 20, repeat: 1 },
      attempts: 1,
      worker: 'a',
    });
    expect(Date.parse(record.endedAt)).toBeGreaterThanOrEqual(Date.parse(record.startedAt));
    expect(watcher.events.some(({ type }) => type === 'started')).toBe(true);
    expect(await backend.space('test')).toEqual({ name: 'test', networks: points.map(({ id }) => id) });
    await watcher.stop();
  });

  it.skipIf(!available)('runs no finished point again, no matter who submits it', async () => {
    const points = [0, 1, 2].map((repeat) => fakePoint('sleep 0', repeat));
    const first = new Watcher(backend);
    await backend.submit(submissionOf(points.slice(0, 2)));
    await first.points(2);
    await first.stop();
    await backend.close();
    backend = await place.open();
    const second = new Watcher(backend);
    await backend.submit(submissionOf(points));
    await second.until(() => second.records.has(points[2]!.id));
    expect(await allRecords(backend)).toHaveLength(3);
    for (const { id } of points) expect(log.starts(id)).toBe(1);
    await second.stop();
  });

  it.skipIf(!available)('measures one point at a time', async () => {
    const points = [0, 1, 2, 3].map((repeat) => fakePoint('sleep 40', repeat));
    const watcher = new Watcher(backend);
    await backend.submit(submissionOf(points));
    await watcher.points(4);
    const order = log.entries().map(({ what }) => what);
    expect(order).toEqual(points.flatMap(() => ['start', 'end']));
    await watcher.stop();
  });

  it.skipIf(!available)('tries a poison point three times and finishes the others', async () => {
    const [fails, dies, works] = [fakePoint('throw'), fakePoint('die'), fakePoint('sleep 0')];
    const watcher = new Watcher(backend);
    await backend.submit(submissionOf([fails, dies, works]));
    await watcher.points(3);
    expect(watcher.records.get(fails.id)).toMatchObject({
      status: 'failed',
      result: null,
      error: 'this point always fails',
      attempts: 3,
    });
    expect(watcher.records.get(dies.id)).toMatchObject({
      status: 'failed',
      error: 'the runner ended (exit code 3): the runner gives up',
      attempts: 3,
    });
    expect(watcher.records.get(works.id)).toMatchObject({ status: 'completed' });
    expect([fails, dies, works].map(({ id }) => log.starts(id))).toEqual([3, 3, 1]);
    await watcher.stop();
  });

  it.skipIf(!available)('runs failed points again only when it is asked to', async () => {
    const point = fakePoint('throw');
    const watcher = new Watcher(backend);
    await backend.submit(submissionOf([point]));
    await watcher.points(1);
    await backend.submit(submissionOf([point]));
    await backend.submit({ ...submissionOf([point]), retryFailed: true });
    await watcher.until(() => log.starts(point.id) === 6);
    await watcher.stop();
  });

  it.skipIf(!available)('starts nothing while it is paused', async () => {
    const points = [0, 1, 2].map((repeat) => fakePoint('sleep 1500', repeat));
    const watcher = new Watcher(backend);
    await backend.submit(submissionOf(points));
    await watcher.until(() => log.entries().length > 0);
    await backend.pause('test');
    await watcher.points(1);
    await watcher.until(() => watcher.events.some(({ type }) => type === 'paused'));
    const started = log.entries().filter(({ what }) => what === 'start').length;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(log.entries().filter(({ what }) => what === 'start')).toHaveLength(started);
    await backend.resume('test');
    await watcher.points(3);
    expect(watcher.events.some(({ type }) => type === 'resumed')).toBe(true);
    await watcher.stop();
  });

  it.skipIf(!available)(
    'stops what runs and drops what waits when it is cancelled, and can go on',
    async () => {
      const points = [fakePoint('sleep 0'), fakePoint('sleep 60000'), fakePoint('sleep 0', 1)];
      const watcher = new Watcher(backend);
      await backend.submit(submissionOf(points));
      await watcher.until(() => log.starts(points[1]!.id) === 1);
      await backend.cancel('test');
      await watcher.until(() => watcher.events.some(({ type }) => type === 'cancelled'));
      await watcher.stop();
      const again = new Watcher(backend);
      await backend.submit(submissionOf([points[0]!, points[2]!]));
      await again.until(() => again.records.has(points[2]!.id));
      expect(points.map(({ id }) => log.starts(id))).toEqual([1, 1, 1]);
      await again.stop();
    },
  );

  it.skipIf(!available)('counts only points of the space that was submitted last', async () => {
    const ended = [fakePoint('sleep 0'), fakePoint('sleep 0', 1)];
    const long = [fakePoint('sleep 60000'), fakePoint('sleep 60000', 1)];
    const watcher = new Watcher(backend);
    const standing = async () => (await backend.list())[0]!;
    await backend.submit(submissionOf(ended));
    await watcher.points(2);
    expect(await standing()).toMatchObject({ state: 'completed', points: 2, completed: 2 });
    await backend.submit(submissionOf(long));
    await watcher.until(() => log.starts(long[0]!.id) === 1);
    expect(await standing()).toMatchObject({ state: 'running', points: 2, completed: 0 });
    await backend.cancel('test');
    await watcher.until(() => watcher.events.some(({ type }) => type === 'cancelled'));
    await watcher.stop();
    await backend.close();
    backend = await place.open();
    expect(await standing()).toMatchObject({ state: 'stopped', points: 2, completed: 0, failed: 0 });
    await backend.submit(submissionOf([ended[1]!, fakePoint('throw')]));
    const again = new Watcher(backend);
    await again.until(() => again.records.has(fakePoint('throw').id));
    expect(await standing()).toMatchObject({ state: 'completed', points: 2, completed: 1, failed: 1 });
    await again.stop();
  });

  it.skipIf(!available)('lists its sweeps, and lets others see, cancel and remove them', async () => {
    const points = [fakePoint('sleep 0'), fakePoint('sleep 60000')];
    const waiting = Array.from({ length: 50 }, (_, i) => fakePoint('sleep 0', 1 + i));
    const watcher = new Watcher(backend);
    expect(await backend.list()).toEqual([]);
    await backend.submit(submissionOf([...points, ...waiting]));
    await watcher.until(() => log.starts(points[1]!.id) === 1);
    const other = await place.open();
    const [standing, ...rest] = await other.list();
    expect(rest).toEqual([]);
    expect(standing).toMatchObject({ name: 'test', kind: 'measure', points: 52, completed: 1, failed: 0 });
    expect(standing!.state).toBe('running');
    await expect(other.remove('test')).rejects.toThrow(/sweep test is (running; cancel it first|under way)/);
    await other.cancel('test');
    await watcher.until(() => watcher.events.some(({ type }) => type === 'cancelled'));
    expect(log.entries().filter(({ what }) => what === 'start')).toHaveLength(2);
    // One who still looks does not add again what another one has dropped.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await other.list()).toEqual([
      { name: 'test', kind: 'measure', state: expect.any(String), points: 52, completed: 1, failed: 0 },
    ]);
    expect(log.entries().filter(({ what }) => what === 'start')).toHaveLength(2);
    await watcher.stop();
    await backend.close();
    expect((await other.list())[0]!.state).toBe('stopped');
    await other.remove('test');
    expect(await other.list()).toEqual([]);
    expect(await allRecords(other)).toEqual([]);
    expect(await other.space('test')).toBeUndefined();
    await other.close();
    backend = await place.open();
  });

  it.skipIf(!available)(
    'computes a point once that blocks its runner for longer than a lock lasts',
    async () => {
      const point = fakePoint('spin 9000');
      const watcher = new Watcher(backend);
      await backend.submit(submissionOf([point]));
      await watcher.points(1);
      expect(watcher.records.get(point.id)).toMatchObject({ status: 'completed', attempts: 1 });
      expect(log.starts(point.id)).toBe(1);
      await watcher.stop();
    },
  );
});
