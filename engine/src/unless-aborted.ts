import { FoveaError } from './errors.js';

/**
 * What `work` comes to, unless the signal ends the wait for it first; the work itself goes on.
 * @throws FoveaError `aborted`; whatever the work rejects with
 */
export function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new FoveaError('aborted', 'the run was aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).then(() => signal.removeEventListener('abort', abort));
  });
}
