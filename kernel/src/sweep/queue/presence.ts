import type { Where } from '../point.js';
import type { QueueConnection } from './connect-queue.js';
import { WORKERS_KEY, workerKey } from './keys.js';

/** A worker counts as lost after this long without a sign of life. */
const aliveS = 10;
/** How often a worker gives a sign of life. */
export const presenceMs = 2500;

/** What is known of a worker. */
export interface WorkerFacts {
  readonly name: string;
  readonly labels: Where;
  readonly engine: string;
}

/**
 * Takes a name for a worker: the one wanted, or it with a number where a living worker has that.
 * @returns the name
 */
export async function registerWorker(
  redis: QueueConnection,
  wanted: Omit<WorkerFacts, 'name'>,
  name: string,
): Promise<string> {
  for (let number = 1; ; number++) {
    const free = number === 1 ? name : `${name}-${number}`;
    const facts = JSON.stringify({ ...wanted, name: free } satisfies WorkerFacts);
    if ((await redis.set(workerKey(free), facts, 'EX', aliveS, 'NX')) === null) continue;
    await redis.sadd(WORKERS_KEY, free);
    return free;
  }
}

/** Says that a worker is there. */
export async function keepAlive(redis: QueueConnection, facts: WorkerFacts): Promise<void> {
  await redis.set(workerKey(facts.name), JSON.stringify(facts), 'EX', aliveS);
  await redis.sadd(WORKERS_KEY, facts.name);
}

/** Removes a worker from the list at once. */
export async function unregisterWorker(redis: QueueConnection, name: string): Promise<void> {
  await redis.del(workerKey(name));
  await redis.srem(WORKERS_KEY, name);
}

/** The workers that live; names of others are forgotten. */
export async function livingWorkers(redis: QueueConnection): Promise<WorkerFacts[]> {
  const names = await redis.smembers(WORKERS_KEY);
  if (names.length === 0) return [];
  const facts = await redis.mget(names.map(workerKey));
  const gone = names.filter((_, index) => facts[index] === null);
  if (gone.length > 0) await redis.srem(WORKERS_KEY, ...gone);
  return facts.flatMap((text) => (text ? [JSON.parse(text) as WorkerFacts] : []));
}
