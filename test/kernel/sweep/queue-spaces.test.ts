// @module-tag process
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QueueBackend } from '../../../kernel/src/sweep/queue/backend.js';
import { connectQueue } from '../../../kernel/src/sweep/queue/connect-queue.js';
import { laneOf } from '../../../kernel/src/sweep/queue/keys.js';
import { useDataFolder } from '../../support/data-folder.js';
import { allRecords, fakePoint, submissionOf, Watcher } from './support/points.js';
import { hasRedis, TestRedis } from './support/redis.js';
import { withWorker } from './support/with-worker.js';

useDataFolder();
let redis: TestRedis | undefined;
beforeAll(async () => {
  if (hasRedis) redis = await TestRedis.start();
});
afterAll(() => redis?.end());

let database = 0;
const freshQueue = () => `${redis!.url}/${database++}`;

describe('a queue whose sweep has another space', () => {
  it.skipIf(!hasRedis)('drops what waits of an earlier space, and lets end what runs of it', async () => {
    const url = freshQueue();
    const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
    const watcher = new Watcher(backend);
    const [running, kept, dropped, added] = [
      fakePoint('sleep 5000'),
      ...[1, 2, 3].map((i) => fakePoint('sleep 0', i)),
    ];
    await withWorker(url, {}, async () => {
      await backend.submit(submissionOf([running!, kept!, dropped!]));
      await watcher.until(() => watcher.events.some(({ type }) => type === 'started'));
      await backend.submit(submissionOf([kept!, added!]));
      await watcher.points(3);
      // What looks at the queue does not add again what was dropped.
      await new Promise((resolve) => setTimeout(resolve, 2500));
    });
    const ended = (await allRecords(backend)).map(({ id }) => id);
    expect(ended.sort()).toEqual([running!, kept!, added!].map(({ id }) => id).sort());
    expect(await backend.list()).toMatchObject([{ state: 'completed', points: 2, completed: 2 }]);
    await watcher.stop();
    await backend.close();
  });

  it.skipIf(!hasRedis)(
    'ends a watch of an earlier space with an error: another one has taken its place',
    async () => {
      const url = freshQueue();
      const [one, other] = [
        await QueueBackend.connect(url, { engine: '1.0.0' }),
        await QueueBackend.connect(url, { engine: '1.0.0' }),
      ];
      const [first, second, third] = [0, 1, 2].map((i) => fakePoint('sleep 0', i));
      const watcher = new Watcher(one);
      await one.submit(submissionOf([first!, second!]));
      // A larger space takes nothing from those who watch a smaller one.
      await other.submit(submissionOf([first!, second!, third!]));
      await new Promise((resolve) => setTimeout(resolve, 2500));
      await other.submit(submissionOf([second!, third!]));
      await expect(watcher.ended).rejects.toMatchObject({
        code: 'aborted',
        message: expect.stringContaining(
          'was started elsewhere with a space that leaves out points of this one',
        ),
      });
      expect(await other.list()).toMatchObject([{ state: 'waiting', points: 2 }]);
      const again = new Watcher(other);
      await withWorker(url, {}, () => again.points(2));
      expect(await allRecords(other)).toHaveLength(2);
      await again.stop();
      for (const backend of [one, other]) await backend.close();
    },
  );

  it.skipIf(!hasRedis)('drops a point of an earlier space that comes back from a lost worker', async () => {
    const url = freshQueue();
    const backend = await QueueBackend.connect(url, { engine: '1.0.0' });
    const watcher = new Watcher(backend);
    const [earlier, point] = [fakePoint('sleep 0'), fakePoint('sleep 0', 1)];
    await backend.submit(submissionOf([point]));
    const redis = await connectQueue(url);
    const queue = new Queue(laneOf('test', {}, '1.0.0').queue, { connection: redis, prefix: 'fovea' });
    await queue.add('point', { ...earlier, cancellations: 0 }, { jobId: earlier.id, lifo: true });
    await withWorker(url, {}, () => watcher.points(1));
    expect((await allRecords(backend)).map(({ id }) => id)).toEqual([point.id]);
    expect(await queue.count()).toBe(0);
    await watcher.stop();
    await queue.close();
    redis.disconnect();
    await backend.close();
  });
});
