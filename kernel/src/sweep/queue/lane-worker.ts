import { Worker } from 'bullmq';
import type { PointResult } from '../point.js';
import type { QueueConnection } from './connect-queue.js';
import { type JobData, MOST_STALLS } from './job.js';
import { type Lane, PREFIX } from './keys.js';

/** How long a worker holds a point without saying that it still does. */
export const lockMs = 6000;
/** How often lost points are looked for. */
const lookForLostMs = 2000;

/**
 * BullMQ's worker for one lane, asked for points one at a time. It shares its connection with those of all lanes: it never
 * waits on it.
 */
export class LaneWorker extends Worker<JobData, PointResult> {
  constructor(
    readonly lane: Lane,
    connection: QueueConnection,
    name: string,
  ) {
    super(lane.queue, null, {
      connection,
      prefix: PREFIX,
      name,
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: lookForLostMs,
      maxStalledCount: MOST_STALLS,
    });
    // Trouble of the connection is the owner's; here it is tried again.
    this.on('error', () => undefined);
  }

  protected override createBackend(): void {
    this.backend = this.backendFactory(this.name, this.opts, {});
  }
}
