import { setTimeout as delay } from 'node:timers/promises';
import { FoveaError } from '@fovea/engine/errors';
import { QueueUnreachable } from './queue-errors.js';

/** Pauses between attempts double from the first to the longest. */
const firstPauseMs = 200;
const longestPauseMs = 5000;

export interface WaitOptions {
  /** How long to keep trying; without limit by default. */
  readonly waitMs?: number;
  /** Called with the reason when waiting begins, and when the reason becomes another one. */
  readonly onWaiting?: ((reason: string) => void) | undefined;
  /** Aborting it ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `connect` again, in growing intervals, for as long as the queue cannot be reached.
 * @throws whatever else `connect` throws: what a queue refuses, it refuses for good; QueueUnreachable when the time is
 *   over, FoveaError `aborted`
 */
export async function whenReachable<T>(
  connect: () => Promise<T>,
  { waitMs = Number.POSITIVE_INFINITY, onWaiting, signal }: WaitOptions = {},
): Promise<T> {
  const deadline = performance.now() + waitMs;
  let said: string | undefined;
  let isLast = false;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return await connect();
    } catch (error) {
      if (signal?.aborted) throw new FoveaError('aborted', 'waiting for the queue was aborted');
      const leftMs = deadline - performance.now();
      if (!(error instanceof QueueUnreachable) || leftMs <= 0 || isLast) throw error;
      if (error.message !== said) onWaiting?.(error.message);
      said = error.message;
      // A timer may fire a moment before the deadline; what it woke for is still the last attempt.
      isLast = leftMs <= pauseMs;
      await delay(Math.min(pauseMs, leftMs), undefined, { signal }).catch(() => undefined);
      if (signal?.aborted) throw new FoveaError('aborted', 'waiting for the queue was aborted');
    }
  }
}
