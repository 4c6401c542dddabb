import type { PointResult } from '../point.js';
import type { QueueConnection } from './connect-queue.js';
import type { PointJob } from './job.js';
import { sweepKey, sweepPointsKey } from './keys.js';
import { type LaneWorker, lockMs } from './lane-worker.js';

/** How often the lock is renewed. */
const renewMs = lockMs / 3;

/** A point that this worker holds: no other may compute it until it ends or the worker is lost. */
export class Lease {
  /** Aborts when the point is not this worker's any more, or the sweep was cancelled. */
  readonly lost = new AbortController();
  /** Whether nobody wants the point any more. */
  cancelled = false;
  #renewal: NodeJS.Timeout;

  constructor(
    private readonly redis: QueueConnection,
    private readonly worker: LaneWorker,
    readonly job: PointJob,
    private readonly token: string,
  ) {
    this.#renewal = setInterval(() => void this.#renew().catch(() => undefined), renewMs);
  }

  /** The sweep that it is a point of. */
  get sweep(): string {
    return this.worker.lane.sweep;
  }

  /** Ends the point with its result, unless another worker has it by now. */
  complete(result: PointResult): Promise<void> {
    return this.#end(() => this.job.moveToCompleted(result, this.token, false));
  }

  /** Ends this attempt; the point waits again while it has attempts left. */
  fail(error: Error): Promise<void> {
    // The stack of a worker says nothing about the point.
    error.stack = '';
    return this.#end(() => this.job.moveToFailed(error, this.token, false));
  }

  /** Gives the point back as if it had not been taken. */
  giveBack(): Promise<void> {
    return this.#end(() => this.job.moveToWait(this.token));
  }

  /** Takes the point out of its queue. */
  async drop(): Promise<void> {
    await this.giveBack();
    await this.job.remove().catch(() => undefined);
  }

  /** Looks whether the point is to be computed at all: that of an earlier space may have come back from a lost worker. */
  async checkCovered(): Promise<void> {
    const points = sweepPointsKey(this.sweep);
    if ((await this.redis.sismember(points, this.job.data.id)) === 1) return;
    if ((await this.redis.exists(points)) === 0) return;
    this.cancelled = true;
    this.lost.abort();
  }

  /** Looks whether the sweep was cancelled since the point was added. */
  async checkWanted(): Promise<void> {
    const cancellations = Number(await this.redis.hget(sweepKey(this.sweep), 'cancellations'));
    if (cancellations <= this.job.data.cancellations) return;
    this.cancelled = true;
    this.lost.abort();
  }

  async #renew(): Promise<void> {
    if (!(await this.#hold())) return this.lost.abort();
    await this.checkWanted();
  }

  /** Renews the lock. If it expired while the queue was away, it is taken again unless another worker has it. */
  async #hold(): Promise<boolean> {
    const id = this.job.id!;
    const renewed = await this.worker.extendJobLocks([id], [this.token], lockMs);
    if (renewed.length === 0) return true;
    const taken = await this.redis.set(this.worker.toKey(`${id}:lock`), this.token, 'PX', lockMs, 'NX');
    if (taken === null) return false;
    return this.job.isActive();
  }

  /**
   * A reply that was lost with the connection makes the second try fail although the first was kept: what the queue says
   * of the point counts.
   */
  async #end(move: () => Promise<unknown>): Promise<void> {
    clearInterval(this.#renewal);
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await move();
        return;
      } catch (error) {
        if (!(await this.job.isActive()) || !(await this.#hold())) return;
        if (attempt === 2) throw error;
      }
    }
  }
}
