import { FoveaError } from './errors.js';

/** Most threads that a run may have: as many as the native backend's pool (`max_threads` there). */
export const mostThreads = 256;

/** `1 thread`, `2 threads`. */
export const threadsText = (threads: number): string => `${threads} thread${threads === 1 ? '' : 's'}`;

/**
 * Checks a number of compute threads.
 * @throws FoveaError `bad-argument` naming it and what is accepted
 */
export function checkThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads) {
    throw new FoveaError(
      'bad-argument',
      `threads ${threads}: an integer from 1 to ${mostThreads} is accepted`,
    );
  }
}
