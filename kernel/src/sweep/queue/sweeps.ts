import { randomUUID } from 'node:crypto';
import { FoveaError } from '@fovea/engine/errors';
import type { SweepSummary } from '../backend.js';
import type { SweepSpace } from '../space/space.js';
import type { QueueConnection } from './connect-queue.js';
import type { PointQueue } from './job.js';
import {
  LANES_KEY,
  type Lane,
  SWEEPS_KEY,
  sweepEventsKey,
  sweepKey,
  sweepLanesKey,
  sweepMaterialsKey,
  sweepPointsKey,
} from './keys.js';

/** States of points that are to be computed yet. */
export const WAITING = ['wait', 'prioritized', 'delayed'] as const;
export const ENDED = ['completed', 'failed'] as const;

/** Ids written with one message. */
const WRITE_AT_ONCE = 5000;

/** Counts of a sweep's points how many are in each of the sorted sets of ended ones. */
const COUNT_ENDED = `
local counts = {}
for i = 2, #KEYS do counts[i - 1] = 0 end
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  for i = 2, #KEYS do
    if redis.call('ZSCORE', KEYS[i], id) then counts[i - 1] = counts[i - 1] + 1 end
  end
end
return counts`;

/**
 * Replaces the space of a sweep, and its points by those of another set, which is gone then. Answers how many spaces have dropped points
 * by now, and the points that this one drops.
 */
const REPLACE_POINTS = `
local dropped = redis.call('SDIFF', KEYS[2], KEYS[1])
redis.call('DEL', KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
redis.call('HSET', KEYS[3], 'space', ARGV[1], 'points', ARGV[2])
local spaces = redis.call('HINCRBY', KEYS[3], 'spaces', math.min(#dropped, 1))
return {spaces, dropped}`;

/** What a sweep covers now. */
export interface KeptPoints {
  /** How many spaces under the sweep's name have left points of an earlier one out: after another one it is not current. */
  readonly spaces: number;
  /** Points of an earlier space that this one has no more. */
  readonly dropped: ReadonlySet<string>;
}

/** Keeps what a sweep covers now, and which points: its queues also hold those of an earlier space under its name. */
export async function keepPoints(
  redis: QueueConnection,
  sweep: string,
  space: SweepSpace,
  ids: readonly string[],
): Promise<KeptPoints> {
  const fresh = `${sweepPointsKey(sweep)}:${randomUUID()}`;
  const writing = redis.multi();
  for (let at = 0; at < ids.length; at += WRITE_AT_ONCE)
    writing.sadd(fresh, ...ids.slice(at, at + WRITE_AT_ONCE));
  await writing.exec();
  const keys = [fresh, sweepPointsKey(sweep), sweepKey(sweep)];
  const given = [JSON.stringify(space), ids.length];
  const answer = await redis.eval(REPLACE_POINTS, keys.length, ...keys, ...given);
  const [spaces, dropped] = answer as [number, string[]];
  return { spaces, dropped: new Set(dropped) };
}

/** Takes points out of a queue that wait in it; what runs ends, and its record is kept. */
export async function dropWaiting(queue: PointQueue, ids: ReadonlySet<string>): Promise<void> {
  const waiting = await queue.getJobs([...WAITING]);
  // One that a worker has taken meanwhile is not removed.
  for (const job of waiting) if (ids.has(job.id!)) await queue.remove(job.id!);
}

/** All queues of a sweep, also those for other engines. */
export async function lanesOf(redis: QueueConnection, sweep: string): Promise<Lane[]> {
  return (await redis.smembers(sweepLanesKey(sweep))).map((text) => JSON.parse(text) as Lane);
}

/**
 * How a sweep stands.
 * @returns undefined when the queue knows none of that name
 */
export async function summaryOf(
  redis: QueueConnection,
  name: string,
  queueOf: (lane: Lane) => PointQueue,
): Promise<SweepSummary | undefined> {
  const { space, points = '0' } = await redis.hgetall(sweepKey(name));
  if (space === undefined) return undefined;
  const queues = (await lanesOf(redis, name)).map(queueOf);
  const counts = await Promise.all(queues.map((queue) => queue.getJobCounts(...WAITING, 'active')));
  const sum = (...states: readonly string[]) =>
    counts.reduce((all, each) => states.reduce((part, state) => part + (each[state] ?? 0), all), 0);
  const [running, waiting] = [sum('active'), sum(...WAITING)];
  const completed = await countEnded(redis, name, queues, 'completed');
  const failed = await countEnded(redis, name, queues, 'failed');
  const paused = waiting > 0 && (await Promise.all(queues.map((queue) => queue.isPaused()))).every(Boolean);
  const all = Math.max(Number(points), completed + failed);
  const ended = completed + failed === all ? 'completed' : 'stopped';
  const under = paused ? 'paused' : running > 0 ? 'running' : 'waiting';
  return {
    ...{ name, kind: (JSON.parse(space) as SweepSpace).kind ?? 'measure', points: all, completed, failed },
    state: running + waiting > 0 ? under : ended,
  };
}

async function countEnded(
  redis: QueueConnection,
  sweep: string,
  queues: readonly PointQueue[],
  state: (typeof ENDED)[number],
): Promise<number> {
  const keys = [sweepPointsKey(sweep), ...queues.map((queue) => queue.toKey(state))];
  const counts = (await redis.eval(COUNT_ENDED, keys.length, ...keys)) as number[];
  return counts.reduce((all, count) => all + count, 0);
}

/**
 * Forgets a sweep and its records.
 * @throws FoveaError `bad-argument` while points wait or run
 */
export async function removeSweep(
  redis: QueueConnection,
  summary: SweepSummary,
  queueOf: (lane: Lane) => PointQueue,
): Promise<void> {
  const { name, state } = summary;
  if (state !== 'completed' && state !== 'stopped')
    throw new FoveaError('bad-argument', `sweep ${name} is ${state}; cancel it first`);
  for (const lane of await lanesOf(redis, name)) {
    await queueOf(lane).obliterate();
    await redis.hdel(LANES_KEY, lane.queue);
  }
  await redis.del(
    ...[sweepKey(name), sweepPointsKey(name), sweepLanesKey(name)],
    ...[sweepMaterialsKey(name), sweepEventsKey(name)],
  );
  await redis.srem(SWEEPS_KEY, name);
}
