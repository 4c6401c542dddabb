// @module-tag process
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QueueWorker } from '../../../kernel/src/sweep/queue/worker.js';
import { sleep, until } from '../waiting.js';
import { hasRedis, TestRedis } from './support/redis.js';

let redis: TestRedis | undefined;
beforeAll(async () => {
  if (hasRedis) redis = await TestRedis.start();
});
afterAll(() => redis?.end());

describe('a worker whose queue is away', () => {
  it.skipIf(!hasRedis)('says so once for each outage, and when it is back', async () => {
    const lines: string[] = [];
    const worker = await QueueWorker.connect(redis!.url, { log: (line) => lines.push(line) });
    const lost = expect.stringMatching(/^the connection to the queue .* is lost; trying again$/);
    for (const outage of [1, 2]) {
      await redis!.kill();
      await until(() => lines.length === 2 * outage - 1);
      await sleep(800); // three attempts
      expect(lines).toHaveLength(2 * outage - 1);
      await redis!.up();
      await until(() => lines.length === 2 * outage);
    }
    expect(lines).toEqual([lost, 'the queue is back', lost, 'the queue is back']);
    worker.stop();
    await worker.run();
  });
});
