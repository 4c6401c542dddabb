import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Attribution } from './attribution.js';
import type { Cell } from './cell.js';

// Cells may have variables of this name: the kernel keeps its own.
const { AbortSignal } = globalThis;

type Callback = (...parameters: unknown[]) => void;
type Handle = NodeJS.Timeout | NodeJS.Immediate;

/**
 * Makes timers remember the cell that set them, so that an interrupt can clear them and, where the engine
 * does not track asynchronous context safely, so that their output is attributed.
 *
 * @param cellOf the cell on whose behalf code runs now, running or ended
 */
export function trackTimers(attribution: Attribution, cellOf: () => Cell | undefined): void {
  /** Whose a timer is: another cell may clear it. */
  const owners = new WeakMap<Handle, Cell>();
  const wrap = (native: (callback: Callback, ...rest: unknown[]) => Handle, repeats: boolean) => {
    const wrapped = (callback: Callback, ...rest: unknown[]): Handle => {
      const cell = cellOf();
      if (!cell || typeof callback !== 'function') return native(callback, ...rest);
      const call: Callback = (...parameters) => {
        if (!repeats) cell.timers.delete(handle);
        return attribution.manual
          ? attribution.run(cell.id, () => callback(...parameters))
          : callback(...parameters);
      };
      // What follows the callback, without being wrapped itself, is known by what the timer belongs to.
      const handle = attribution.manual
        ? attribution.run(cell.id, () => native(call, ...rest))
        : native(call, ...rest);
      cell.timers.add(handle);
      owners.set(handle, cell);
      return handle;
    };
    Object.defineProperty(wrapped, 'name', { value: native.name });
    return wrapped;
  };
  const forget = (native: (handle: never) => void) => (handle: never) => {
    owners.get(handle)?.timers.delete(handle);
    native(handle);
  };
  type Module = Record<string, unknown>;
  const original = { ...timers } as unknown as Record<string, never>;
  const promises = timersPromises as unknown as Module;
  const withSignal = (name: 'setTimeout' | 'setImmediate') => {
    const native = promises[name] as (...parameters: unknown[]) => Promise<unknown>;
    const at = name === 'setTimeout' ? 2 : 1;
    return (...parameters: unknown[]) => {
      const cell = cellOf();
      if (!cell || cell.ended) return native(...parameters);
      const options = (parameters[at] ?? {}) as { signal?: Cell['controller']['signal'] };
      const signal = options.signal
        ? AbortSignal.any([options.signal, cell.controller.signal])
        : cell.controller.signal;
      const filled = [...parameters];
      while (filled.length < at) filled.push(undefined);
      filled[at] = { ...options, signal };
      return native(...filled);
    };
  };
  const later = { setTimeout: withSignal('setTimeout'), setImmediate: withSignal('setImmediate') };
  const replaced: Module = {
    setTimeout: wrap(original.setTimeout as never, false),
    setInterval: wrap(original.setInterval as never, true),
    setImmediate: wrap(original.setImmediate as never, false),
    clearTimeout: forget(original.clearTimeout as never),
    clearInterval: forget(original.clearInterval as never),
    clearImmediate: forget(original.clearImmediate as never),
  };
  for (const name of ['setTimeout', 'setImmediate'] as const) {
    Object.defineProperty(replaced[name], promisify.custom, { value: later[name] });
    promises[name] = later[name];
  }
  Object.assign(timers, replaced);
  Object.assign(globalThis, replaced);
  if (attribution.manual) {
    const native = globalThis.queueMicrotask;
    globalThis.queueMicrotask = (callback) => {
      const cell = attribution.current();
      native(cell === undefined ? callback : () => attribution.run(cell, callback));
    };
  }
  syncBuiltinESMExports();
}
