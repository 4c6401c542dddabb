import { AsyncLocalStorage } from 'node:async_hooks';

/** Knows which cell the code that runs now belongs to, also long after the cell has ended. */
export interface Attribution {
  /** Starts a cell: everything that `action` starts belongs to it. */
  start<T>(cell: number, action: () => T): T;
  /** Runs a callback on behalf of a cell that may have ended. */
  run<T>(cell: number, action: () => T): T;
  /** The cell on whose behalf code runs now. */
  current(): number | undefined;
  /** Whether callbacks have to be wrapped by hand to be attributed. */
  readonly manual: boolean;
}

/**
 * AsyncLocalStorage where stopping code under it is safe: from Node 24 on, and on 22 when async context
 * frames are switched on. With the promise hooks of older versions, termination inside a microtask aborts
 * the process.
 */
class ContextAttribution implements Attribution {
  readonly manual = false;
  readonly #storage = new AsyncLocalStorage<number>();
  start<T>(cell: number, action: () => T): T {
    return this.#storage.run(cell, action);
  }
  run<T>(cell: number, action: () => T): T {
    return this.#storage.run(cell, action);
  }
  current(): number | undefined {
    return this.#storage.getStore();
  }
}

/** The last cell started, or the one that a wrapped callback belongs to. */
class LastCellAttribution implements Attribution {
  readonly manual = true;
  #current: number | undefined;
  start<T>(cell: number, action: () => T): T {
    this.#current = cell;
    return action();
  }
  run<T>(cell: number, action: () => T): T {
    const before = this.#current;
    this.#current = cell;
    try {
      return action();
    } finally {
      this.#current = before;
    }
  }
  current(): number | undefined {
    return this.#current;
  }
}

/** The best attribution that this Node offers. */
export function createAttribution(): Attribution {
  const major = Number(process.versions.node.split('.')[0]);
  const frames = process.execArgv.includes('--experimental-async-context-frame');
  return major >= 24 || frames ? new ContextAttribution() : new LastCellAttribution();
}
