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
} from './keys.js';

/** States of points that are to be computed yet. */
export const WAITING = ['wait', 'prioritized', 'delayed'] as const;
export const ENDED = ['completed', 'failed'] as const;

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
  const counts = await Promise.all(queues.map((queue) => queue.getJobCounts(...ENDED, ...WAITING, 'active')));
  const sum = (...states: readonly string[]) =>
    counts.reduce((all, each) => states.reduce((part, state) => part + (each[state] ?? 0), all), 0);
  const [completed, failed, running, waiting] = [
    ...[sum('completed'), sum('failed')],
    ...[sum('active'), sum(...WAITING)],
  ] as [number, number, number, number];
  const paused = waiting > 0 && (await Promise.all(queues.map((queue) => queue.isPaused()))).every(Boolean);
  const all = Math.max(Number(points), completed + failed + running + waiting);
  const ended = completed + failed === all ? 'completed' : 'stopped';
  const under = paused ? 'paused' : running > 0 ? 'running' : 'waiting';
  return {
    ...{ name, kind: (JSON.parse(space) as SweepSpace).kind ?? 'measure', points: all, completed, failed },
    state: running + waiting > 0 ? under : ended,
  };
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
  await redis.del(sweepKey(name), sweepLanesKey(name), sweepMaterialsKey(name), sweepEventsKey(name));
  await redis.srem(SWEEPS_KEY, name);
}
