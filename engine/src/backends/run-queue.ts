import { FoveaError } from '../errors.js';
import { isHeldOutside } from '../mask/waiting-runs.js';
import { unlessAborted } from '../unless-aborted.js';
import type { RunOptions } from './backend.js';

/** What a session runs, in its turn. */
export interface QueuedRunOptions extends RunOptions {
  /** What the run keeps others from until it has ended; left out for a run without a session. */
  readonly holds?: RunQueue;
}

/** The runs of a session, one after the other. */
export class RunQueue {
  #last: Promise<unknown> = Promise.resolve();
  /** Runs that have not ended. */
  #waiting = 0;
  #closed = false;

  /**
   * Starts a run when those before it have ended: now, where there are none.
   * @param options its `signal` ends the wait for the others; the run itself has to obey it once it has begun
   * @throws FoveaError `aborted`; `bad-argument` when the session has been disposed of, or when the run is started by a
   *   masker that a run of this queue waits for
   */
  add<Result>(options: RunOptions, run: (options: QueuedRunOptions) => Promise<Result>): Promise<Result> {
    if (this.#closed) return refused('the session has been disposed of; open another');
    if (isHeldOutside(this)) {
      return refused(
        'a masker runs the session whose run waits for the masker, and would wait for ever; `run` of the network, ' +
          'or another session, is accepted',
      );
    }
    const start = () => run({ ...options, holds: this });
    const result = this.#waiting === 0 ? start() : after(this.#last, options.signal).then(start);
    this.#waiting++;
    const ended = () => {
      this.#waiting--;
    };
    // A run that was aborted while it waited has ended before those that it waited for.
    const before = this.#waiting === 1 ? undefined : this.#last;
    const settled = result.then(ended, ended);
    this.#last = before ? Promise.all([before, settled]) : settled;
    return result;
  }

  /** Refuses runs from now on, and calls `free` once those asked for before have ended: now, where there are none. */
  close(free: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#waiting === 0) free();
    else void this.#last.then(free);
  }
}

const after = (runs: Promise<unknown>, signal: AbortSignal | undefined): Promise<unknown> =>
  signal ? unlessAborted(runs, signal) : runs;

const refused = (why: string): Promise<never> => Promise.reject(new FoveaError('bad-argument', why));
