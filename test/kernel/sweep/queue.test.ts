// @module-tag process
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Material } from '../../../kernel/src/sweep/material.js';
import { sha256Of } from '../../../kernel/src/sweep/point.js';
import { QueueBackend } from '../../../kernel/src/sweep/queue/backend.js';
import { connectQueue } from '../../../kernel/src/sweep/queue/connect-queue.js';
import { laneOf } from '../../../kernel/src/sweep/queue/keys.js';
import { fetchMaterial, storeMaterial } from '../../../kernel/src/sweep/queue/store.js';
import { QueueWorker } from '../../../kernel/src/sweep/queue/worker.js';
import { pruneStored } from '../../../kernel/src/sweep/storage/prune.js';
import { Sweep } from '../../../kernel/src/sweep/sweep.js';
import { expectSaidOnce } from '../../engine/support/said-once.js';
import { useDataFolder } from '../../support/data-folder.js';
import { allRecords, ExecutionLog, fakePoint, fakeRunner, submissionOf, Watcher } from './support/points.js';
import { hasRedis, TestRedis } from './support/redis.js';
import { withWorker } from './support/with-worker.js';

const folder = useDataFolder();
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
let redis: TestRedis | undefined;
let guarded: TestRedis | undefined;
beforeAll(async () => {
  if (!hasRedis) return;
  redis = await TestRedis.start();
  guarded = await TestRedis.start([
    'save ""',
    'user default off ~* &* +@all',
    'user fovea on >right ~fovea:* &* +@all -@dangerous +info +config|get',
    'user other on >right ~other:* &* +@all',
  ]);
});
afterAll(async () => {
  await redis?.end();
  await guarded?.end();
});

let database = 0;
const freshQueue = () => `${redis!.url}/${database++}`;

describe('a queue', () => {
  it('has a name for every selector, which is the same whatever the order of its labels', () => {
    expect(laneOf('s', { b: '2', a: 'x:~+=' }, '1.0.0').queue).toBe('s~a=x%3A%7E%2B%3D+b=2~1.0.0');
    expect(laneOf('s', { a: 'x:~+=', b: '2' }, '1.0.0').queue).toBe('s~a=x%3A%7E%2B%3D+b=2~1.0.0');
    expect(laneOf('s', {}, '1.0.0').queue).toBe('s~any~1.0.0');
  });

  it.skipIf(!hasRedis)('keeps a sweep when whoever watches it stops, and says so', async () => {
    const queue = freshQueue();
    const interruption = new AbortController();
    const sweep = await Sweep.start(
      { name: 'watched', networks: ['quick-look'], rates: [0.5] },
      { queue, signal: interruption.signal },
    );
    const backend = await QueueBackend.connect(queue);
    const listed = () => backend.list();
    while ((await listed()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    interruption.abort();
    await expect(sweep.finished).rejects.toMatchObject({
      code: 'aborted',
      message:
        'sweep watched goes on without being watched, after 0 of 1 points; start it again to see it, or cancel it',
    });
    expect(await listed()).toMatchObject([{ name: 'watched', state: 'waiting' }]);
    await backend.close();
  });

  it.skipIf(!hasRedis)('has points back from a worker whose disk is full, which ends', async () => {
    const url = freshQueue();
    const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
    const watcher = new Watcher(backend);
    const full = await QueueWorker.connect(url, { runner: fakeRunner, engine: '1.0.0', name: 'full' });
    const ended = full.run();
    await backend.submit(submissionOf([fakePoint('full')]));
    const message = /^worker full ends and gives its point back: cannot keep it: the disk is full$/;
    await expectSaidOnce(() => ended, 'io', message);
    expect(await backend.list()).toMatchObject([{ completed: 0, failed: 0, state: 'waiting' }]);
    await watcher.stop();
    await backend.close();
  });

  it.skipIf(!hasRedis)(
    'gives points to machines that have the labels, and says which nobody may take',
    async () => {
      const url = freshQueue();
      const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
      const points = [fakePoint('sleep 0', 0, { gpu: 'a100' }), fakePoint('sleep 0', 1, { host: 'a' })];
      const watcher = new Watcher(backend);
      const reasons = () =>
        watcher.events.flatMap((event) => (event.type === 'unroutable' ? [event.reason] : []));
      await backend.submit(submissionOf(points));
      await watcher.until(() => reasons().length === 2);
      expect(reasons()).toContain(
        '1 point for gpu=a100 waits: no worker serves this queue (fovea worker starts one)',
      );
      await withWorker(url, { labels: { host: 'a' } }, async () => {
        await watcher.points(1);
        await watcher.until(() =>
          reasons().includes(
            '1 point for gpu=a100 waits: no worker may take them; those there are (a) lack the labels',
          ),
        );
        await withWorker(url, { labels: { host: 'b', gpu: 'a100' } }, () => watcher.points(2));
      });
      expect(watcher.records.get(points[0]!.id)!.worker).toBe('b');
      await watcher.stop();
      await backend.close();
    },
  );

  it.skipIf(!hasRedis)('refuses a worker of another engine, by its name', async () => {
    const url = freshQueue();
    const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
    // It came when there was nothing to do yet, so that nobody could refuse it.
    await withWorker(url, { name: 'old', engine: '0.9.0' }, async () => {
      const watcher = new Watcher(backend);
      await backend.submit(submissionOf([fakePoint('sleep 0')]));
      await watcher.until(() =>
        watcher.events.some(
          (event) =>
            event.type === 'unroutable' &&
            /worker old is refused, it has engine 0\.9\.0 .* needs 1\.0\.0/.test(event.reason),
        ),
      );
      await expect(QueueWorker.connect(url, { name: 'older', engine: '0.8.0' })).rejects.toThrow(
        'worker older is refused: it has engine 0.8.0, and the points of this queue are for 1.0.0',
      );
      await withWorker(url, { name: 'new' }, () => watcher.points(1));
      await watcher.stop();
    });
    await backend.close();
  });

  it.skipIf(!hasRedis)('keeps no points that were being added while their sweep was cancelled', async () => {
    const url = freshQueue();
    const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
    const other = await QueueBackend.connect(url, { engine: '1.0.0' });
    const { addBulk } = Queue.prototype;
    const adding = vi.spyOn(Queue.prototype, 'addBulk').mockImplementation(async function (
      this: Queue,
      jobs,
    ) {
      await other.cancel('test');
      return addBulk.call(this, jobs);
    });
    await backend.submit(submissionOf(Array.from({ length: 700 }, (_, i) => fakePoint('sleep 0', i))));
    expect(adding).toHaveBeenCalledTimes(1);
    adding.mockRestore();
    expect(await backend.list()).toMatchObject([{ name: 'test', state: 'stopped', points: 700 }]);
    await backend.remove('test');
    await backend.close();
    await other.close();
  });

  it.skipIf(!hasRedis)(
    'is given again what it has lost, also beside records of an earlier space',
    async () => {
      const url = freshQueue();
      const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
      const watcher = new Watcher(backend);
      await withWorker(url, {}, async () => {
        await backend.submit(submissionOf([fakePoint('sleep 0'), fakePoint('sleep 0', 1)]));
        await watcher.points(2);
      });
      const lost = fakePoint('sleep 0', 2);
      await backend.submit(submissionOf([lost, fakePoint('sleep 0', 3)]));
      const redis = await connectQueue(url);
      const queue = new Queue(laneOf('test', {}, '1.0.0').queue, { connection: redis, prefix: 'fovea' });
      await queue.remove(lost.id);
      await withWorker(url, {}, () => watcher.points(4));
      expect([...watcher.records.keys()]).toContain(lost.id);
      await watcher.stop();
      await queue.close();
      redis.disconnect();
      await backend.close();
    },
  );

  it.skipIf(!hasRedis)('measures one point at a time where two workers are on one machine', async () => {
    const url = freshQueue();
    const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
    const watcher = new Watcher(backend);
    const log = new ExecutionLog(join(folder, 'two-workers.log'));
    vi.stubEnv('EXEC_LOG', log.path);
    await backend.submit(submissionOf([0, 1, 2, 3].map((i) => fakePoint('sleep 200', i))));
    await withWorker(url, { name: 'a' }, () => withWorker(url, { name: 'b' }, () => watcher.points(4)));
    vi.unstubAllEnvs();
    expect(new Set([...watcher.records.values()].map(({ worker }) => worker))).toEqual(new Set(['a', 'b']));
    expect(log.entries().map(({ what }) => what)).toEqual([0, 1, 2, 3].flatMap(() => ['start', 'end']));
    await watcher.stop();
    await backend.close();
  });

  it.skipIf(!hasRedis)('queues, lists and cancels ten thousand points within seconds', async () => {
    const backend = await QueueBackend.connect(freshQueue(), { engine: '1.0.0' });
    const points = Array.from({ length: 10_000 }, (_, i) => fakePoint('sleep 0', i));
    const started = performance.now();
    await backend.submit(submissionOf(points));
    await backend.submit(submissionOf(points));
    expect(await allRecords(backend)).toEqual([]);
    expect(await backend.list()).toMatchObject([{ name: 'test', state: 'waiting', points: 10_000 }]);
    await backend.pause('test');
    expect(await backend.list()).toMatchObject([{ state: 'paused' }]);
    await backend.cancel('test');
    expect(await backend.list()).toMatchObject([{ state: 'stopped', points: 10_000, completed: 0 }]);
    expect(performance.now() - started).toBeLessThan(20_000);
    await backend.close();
  });

  it.skipIf(!hasRedis)('hands files over by content, and only those that fit', async () => {
    const connection = await connectQueue(freshQueue());
    const path = join(folder, 'network.onnx');
    writeFileSync(path, 'weights');
    const sha256 = sha256Of('weights');
    const material: Material = { sha256, files: [{ name: 'network.onnx', sha256, bytes: 7, path }] };
    const cache = join(folder, 'cache');
    await storeMaterial(connection, 'test', material, 6);
    expect(await fetchMaterial(connection, sha256, cache)).toBe(path);
    writeFileSync(path, 'Weights');
    await expect(fetchMaterial(connection, sha256, cache)).rejects.toThrow(
      /is not the file that was handed in/,
    );
    rmSync(path);
    await expect(fetchMaterial(connection, sha256, cache)).rejects.toThrow(
      /share that folder with this machine/,
    );
    writeFileSync(path, 'weights');
    await storeMaterial(connection, 'test', material);
    rmSync(path);
    const fetched = await fetchMaterial(connection, sha256, cache);
    expect(readFileSync(fetched, 'utf8')).toBe('weights');
    const { mtimeMs } = statSync(fetched);
    expect(await fetchMaterial(connection, sha256, cache)).toBe(fetched);
    expect(statSync(fetched).mtimeMs).toBe(mtimeMs);
    await expect(fetchMaterial(connection, 'unknown', cache)).rejects.toThrow(
      'the queue has no material unknown',
    );
    connection.disconnect();
  });

  it.skipIf(!hasRedis)('has a worker fetch again what was removed between two points', async () => {
    const url = freshQueue();
    const path = join(folder, 'given.onnx');
    writeFileSync(path, 'given');
    const sha256 = sha256Of('given');
    const materials = [{ sha256, files: [{ name: 'given.onnx', sha256, bytes: 5, path }] }];
    const points = [0, 1].map((repeat) => {
      const { id, point } = fakePoint('sleep 0', repeat);
      return { id, point: { ...point, sha256 } };
    });
    const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
    const watcher = new Watcher(backend);
    const submit = (point: (typeof points)[number]) =>
      backend.submit({ ...submissionOf([point]), materials });
    await submit(points[0]!);
    // Another machine does not have it there.
    rmSync(path);
    const data = join(folder, 'data');
    const copy = join(data, 'sweeps', 'materials', sha256, 'given.onnx');
    await withWorker(url, {}, async () => {
      await watcher.points(1);
      const { removed } = await pruneStored(data);
      expect(removed).toMatchObject([{ kind: 'materials', sha256 }]);
      await submit(points[1]!);
      await watcher.points(2);
    });
    for (const { result } of watcher.records.values())
      expect(result).toMatchObject({ materials: { [sha256]: copy } });
    expect(readFileSync(copy, 'utf8')).toBe('given');
    expect((await backend.pruneStore({ dryRun: false })).removed).toEqual([]);
    await backend.remove('test');
    const item = { sha256, name: 'given.onnx', bytes: 5 };
    expect(await backend.pruneStore({ dryRun: true })).toEqual({ removed: [item], kept: [] });
    expect(await backend.pruneStore({ dryRun: false, among: () => false })).toEqual({
      removed: [],
      kept: [],
    });
    expect(await backend.pruneStore({ dryRun: false })).toEqual({ removed: [item], kept: [] });
    expect(await backend.pruneStore({ dryRun: false })).toEqual({ removed: [], kept: [] });
    await watcher.stop();
    await backend.close();
  });

  it.skipIf(!hasRedis)(
    'lets in an account that may use its keys, and says why another one is kept out',
    async () => {
      const at = (account: string) => `redis://${account}127.0.0.1:${guarded!.port}`;
      const url = at('fovea:right@');
      const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
      const watcher = new Watcher(backend);
      await backend.submit(submissionOf([fakePoint('sleep 0')]));
      await withWorker(url, {}, () => watcher.points(1));
      expect(await backend.pruneStore({ dryRun: false })).toEqual({ removed: [], kept: [] });
      await backend.cancel('test');
      await watcher.stop();
      await backend.close();
      const connect = (account: string) => QueueBackend.connect(at(account));
      await expect(connect('fovea:wrong@')).rejects.toThrow(
        /^queue redis:\/\/fovea@127.0.0.1:\d+ refuses these credentials$/,
      );
      await expect(connect('')).rejects.toThrow(/refuses these credentials: there is no password, /);
      await expect(connect('other:right@')).rejects.toThrow(
        /lets this account not use keys that begin with fovea:/,
      );
    },
  );

  it.skipIf(!hasRedis || !hasOpenssl)('speaks TLS with client certificates', async () => {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
    const own = (name: string, subject: string) =>
      openssl(
        'req',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        subject,
      );
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      '-subj',
      '/CN=ca',
    );
    writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1');
    for (const name of ['server', 'client']) {
      own(name, `/CN=${name}`);
      const signing = ['-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'];
      openssl('x509', ...signing, '-out', `${name}.crt`, '-extfile', 'names');
    }
    const file = (name: string) => join(folder, name);
    const secure = await TestRedis.start(
      [
        'save ""',
        `tls-cert-file ${file('server.crt')}`,
        `tls-key-file ${file('server.key')}`,
        `tls-ca-cert-file ${file('ca.crt')}`,
      ],
      { tls: true },
    );
    const certificates = `ca=${file('ca.crt')}&cert=${file('client.crt')}&key=${file('client.key')}`;
    const address = `rediss://127.0.0.1:${secure.tlsPort}`;
    const connection = await connectQueue(`${address}?${certificates}`);
    expect(await connection.ping()).toBe('PONG');
    connection.disconnect();
    await expect(connectQueue(`${address}?ca=${file('ca.crt')}`)).rejects.toThrow(
      /^queue rediss:\/\/127\.0\.0\.1:\d+ /,
    );
    await expect(connectQueue(address)).rejects.toThrow(
      /cannot be spoken to over TLS: its certificate is from an authority .*; \?ca=FILE names one$/,
    );
    const at = (parameters: string) => connectQueue(`${address}?${parameters}`);
    await expect(at(`ca=${file('client.crt')}`)).rejects.toThrow(/is not from the authority that ca names$/);
    await expect(at(`ca=${file('missing')}`)).rejects.toThrow(/ca .*missing cannot be read/);
    await expect(at(`ca=${file('ca.key')}`)).rejects.toThrow(/ca .*ca\.key has no certificate in PEM form$/);
    const client = `ca=${file('ca.crt')}&cert=${file('client.crt')}`;
    await expect(at(client)).rejects.toThrow(/cert without key; a client certificate needs both$/);
    await expect(at(`${client}&key=${file('server.key')}`)).rejects.toThrow(
      /key .*server\.key does not belong to the certificate .*client\.crt$/,
    );
    await expect(at(`${client}&key=${file('client.crt')}`)).rejects.toThrow(/has no private key in PEM form/);
    await expect(connectQueue(`redis://127.0.0.1:${secure.tlsPort}`)).rejects.toThrow(
      /closes the connection; if it speaks TLS alone, its address begins with rediss:\/\/$/,
    );
    await secure.end();
  });
});
