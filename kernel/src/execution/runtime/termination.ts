import { Word } from '../common-words.js';

/** How long the main thread waits at a time. */
const WAIT_MS = 10;

/**
 * Waits while a termination is under way, so that it strikes here and not what comes next.
 *
 * @param shared the words that the pump shares
 */
export function takeTermination(shared: Int32Array): void {
  while (Atomics.load(shared, Word.terminating) === 1) Atomics.wait(shared, Word.terminating, 1, WAIT_MS);
}
