import type { Attribution } from './attribution.js';

type Callback = (value: unknown) => unknown;

/**
 * Makes what is given to `then`, `catch` and `finally` run on behalf of the cell that gave it, where asynchronous context is
 * not tracked. A promise of Node's own (a file that was read, a request that was answered) is settled when Node has
 * forgotten what was called back, so that nothing else says whose it is. `await` in a cell is not concerned: it calls none of
 * them.
 */
export function trackContinuations(attribution: Attribution): void {
  if (!attribution.manual) return;
  const native = Promise.prototype.then;
  const onBehalfOf = (cell: number, callback: unknown) => {
    if (typeof callback !== 'function') return callback;
    const call = callback as Callback;
    return (value: unknown) => attribution.run(cell, () => call(value));
  };
  const replacement = {
    // biome-ignore lint/suspicious/noThenProperty: takes the place of the promises' own
    then(this: Promise<unknown>, onFulfilled?: unknown, onRejected?: unknown): Promise<unknown> {
      const cell = attribution.known();
      const callbacks =
        cell === undefined
          ? [onFulfilled, onRejected]
          : [onBehalfOf(cell, onFulfilled), onBehalfOf(cell, onRejected)];
      return Reflect.apply(native, this, callbacks) as Promise<unknown>;
    },
  };
  Object.defineProperty(Promise.prototype, 'then', {
    value: replacement.then,
    configurable: true,
    writable: true,
  });
}
