import type { Where } from '../point.js';

/** All keys begin with it: an account of a shared server can be limited to them. */
export const PREFIX = 'fovea';

/** Queues that may hold points that wait: name → `Lane` as JSON. */
export const LANES_KEY = `${PREFIX}:lanes`;
/** Grows when points have been added, so that idle workers look at once. */
export const BELL_KEY = `${PREFIX}:bell`;
/** Names of workers; each has its own key while it lives. */
export const WORKERS_KEY = `${PREFIX}:workers`;
export const workerKey = (name: string) => `${PREFIX}:worker:${name}`;
/** Content hashes of all materials that are stored. */
export const MATERIALS_KEY = `${PREFIX}:materials`;
export const materialKey = (sha256: string) => `${PREFIX}:material:${sha256}`;
/** Names of all sweeps. */
export const SWEEPS_KEY = `${PREFIX}:sweeps`;
/**
 * Of a sweep: its `space`, how many `points` that has, the number of its `cancellations`, and of `spaces` that have dropped
 * points of the one before.
 */
export const sweepKey = (sweep: string) => `${PREFIX}:sweep:${sweep}`;
/** Ids of the points of the space that was submitted last. */
export const sweepPointsKey = (sweep: string) => `${sweepKey(sweep)}:points`;
/** Names of a sweep's queues. */
export const sweepLanesKey = (sweep: string) => `${sweepKey(sweep)}:lanes`;
/** Content hashes of the materials that a sweep refers to. */
export const sweepMaterialsKey = (sweep: string) => `${sweepKey(sweep)}:materials`;
/** Stream of what happens to a sweep as a whole. */
export const sweepEventsKey = (sweep: string) => `${sweepKey(sweep)}:events`;

/** The points of one sweep that the same workers may take, as a separate queue. */
export interface Lane {
  readonly queue: string;
  readonly sweep: string;
  readonly where: Where;
  /** Version of the engine that the points were made for; workers of another one do not take them. */
  readonly engine: string;
}

/** The queue's name has neither ":" nor "~" in its parts, whatever the labels are. */
export function laneOf(sweep: string, where: Where, engine: string): Lane {
  const safe = (text: string) => encodeURIComponent(text).replaceAll('~', '%7E');
  const selector = Object.entries(where)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${safe(key)}=${safe(value)}`)
    .join('+');
  return { queue: `${sweep}~${selector || 'any'}~${engine}`, sweep, where, engine };
}
