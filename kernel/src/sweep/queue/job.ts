import { Job, type Queue } from 'bullmq';
import { type IdentifiedPoint, MOST_ATTEMPTS, type PointRecord, type PointResult } from '../point.js';

/** What a queue keeps of a point. */
export interface JobData extends IdentifiedPoint {
  /** How often the sweep had been cancelled when the point was added: a later cancellation concerns it. */
  readonly cancellations: number;
}

/** A point in its queue. */
export type PointJob = Job<JobData, PointResult>;
export type PointQueue = Queue<JobData, PointResult>;

/** How often a worker may be lost with a point before the point is held to be the reason. */
export const MOST_STALLS = 3;

/** How points are added: their records stay until the sweep is removed. */
export const JOB_OPTIONS = {
  attempts: MOST_ATTEMPTS,
  removeOnComplete: false,
  removeOnFail: false,
} as const;

/** The record of a point that has ended; undefined for one that has not. */
export function recordOf(job: PointJob): PointRecord | undefined {
  const { id, point } = job.data;
  const { finishedOn, processedOn, failedReason, returnvalue, attemptsStarted } = job;
  if (finishedOn === undefined) return undefined;
  const failed = returnvalue === null || returnvalue === undefined;
  return {
    ...{ id, point },
    ...(failed
      ? { status: 'failed', result: null, error: reasonOf(failedReason ?? '') }
      : { status: 'completed', result: returnvalue }),
    attempts: attemptsStarted,
    worker: job.processedBy ?? '',
    startedAt: new Date(processedOn ?? finishedOn).toISOString(),
    endedAt: new Date(finishedOn).toISOString(),
  };
}

/** BullMQ's own words for a point whose workers died. */
function reasonOf(failedReason: string): string {
  return /stalled more than/.test(failedReason)
    ? `its worker was lost ${MOST_STALLS + 1} times while computing it`
    : failedReason;
}

/** The record of a point by its id. */
export async function fetchRecord(queue: PointQueue, id: string): Promise<PointRecord | undefined> {
  const job = await Job.fromId<JobData, PointResult>(queue, id);
  return job && recordOf(job);
}
