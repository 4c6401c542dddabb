import { counted } from '../../presentation/index.js';
import type { SweepEvent } from '../backend.js';
import { describeWhere, serves } from '../point.js';
import type { Lane } from './keys.js';
import type { WorkerFacts } from './presence.js';

/**
 * Why no worker takes the points of a lane now; undefined when one does.
 * @param waiting how many points wait in it
 */
export function obstacleOf(
  { where, engine }: Lane,
  workers: readonly WorkerFacts[],
  waiting: number,
): string | undefined {
  const points = `${counted(waiting, 'point')} for ${describeWhere(where)} wait${waiting === 1 ? 's' : ''}`;
  if (workers.length === 0) return `${points}: no worker serves this queue (fovea worker starts one)`;
  const able = workers.filter(({ labels }) => serves(labels, where));
  if (able.length === 0) {
    const names = workers.slice(0, 5).map(({ name }) => name);
    return `${points}: no worker may take them; those there are (${names.join(', ')}) lack the labels`;
  }
  if (able.some((worker) => worker.engine === engine)) return undefined;
  const { name, engine: other } = able[0]!;
  return `${points}: worker ${name} is refused, it has engine ${other} and this sweep needs ${engine}`;
}

/** The event that reports an obstacle, or its end. */
export function routeEvent({ where }: Lane, waiting: number, reason: string | undefined): SweepEvent {
  return { type: 'unroutable', where, points: reason === undefined ? 0 : waiting, reason: reason ?? '' };
}
