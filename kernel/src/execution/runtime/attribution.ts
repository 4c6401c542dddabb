import { AsyncLocalStorage, AsyncResource, executionAsyncId, triggerAsyncId } from 'node:async_hooks';

// Cells may have a variable of this name, and the kernel wraps it for them.
const { queueMicrotask } = globalThis;

/** Knows which cell the code that runs now belongs to, also long after the cell has ended. */
export interface Attribution {
  /** Starts a cell: everything that `action` starts belongs to it. */
  start<T>(cell: number, action: () => T): T;
  /** Runs a callback on behalf of a cell that may have ended. */
  run<T>(cell: number, action: () => T): T;
  /** Records that a function continues after an `await` on behalf of a cell. */
  resume(cell: number): void;
  /** The cell on whose behalf code runs now. */
  current(): number | undefined;
  /** The same, but nothing where it would be a guess. */
  known(): number | undefined;
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
  resume(): void {
    // The context was preserved across the `await`.
  }
  current(): number | undefined {
    return this.#storage.getStore();
  }
  known(): number | undefined {
    return this.current();
  }
}

/**
 * For versions without a safe way to follow the asynchronous context. What is known for certain: code that a cell
 * runs itself, wrapped timers, continuations after an `await` and of a `then`. Any other callback comes from something that Node
 * numbered when it was made (a read, a child, a server's connection): it belongs to the cell that ran then.
 */
class OriginAttribution implements Attribution {
  readonly manual = true;
  #last: number | undefined;
  #current: number | undefined;
  #turn = 0;
  readonly #origins = new Origins();
  start<T>(cell: number, action: () => T): T {
    this.#last = cell;
    return this.run(cell, action);
  }
  run<T>(cell: number, action: () => T): T {
    const before = this.#current;
    this.#set(cell);
    try {
      return action();
    } finally {
      if (before === undefined) this.resume(cell);
      else this.#set(before);
    }
  }
  resume(cell: number): void {
    this.#set(cell);
    const turn = ++this.#turn;
    const linger = (steps: number) => {
      if (turn !== this.#turn) return;
      if (steps === 0) this.#set(undefined);
      else queueMicrotask(() => linger(steps - 1));
    };
    linger(CHAIN);
  }
  current(): number | undefined {
    return this.known() ?? this.#last;
  }
  known(): number | undefined {
    return (
      this.#current ?? this.#origins.cellOf(executionAsyncId()) ?? this.#origins.cellOf(triggerAsyncId())
    );
  }
  #set(cell: number | undefined): void {
    this.#current = cell;
    this.#origins.switchTo(cell);
  }
}

/** This many steps of a chain of promises right after a cell's code count as the cell's. */
const CHAIN = 8;

/** Changes of the cell that are remembered. */
const REMEMBERED = 10_000;

/** Which cell ran when, by the numbers that Node counts up for everything that may call back. */
class Origins {
  readonly #switches: { from: number; cell: number | undefined }[] = [];

  /** From now on, what is made is made on behalf of this cell. */
  switchTo(cell: number | undefined): void {
    const from = new AsyncResource('fovea', { requireManualDestroy: true }).asyncId();
    // Nothing was made since the last change: it need not be remembered.
    if (this.#switches.at(-1)?.from === from - 1) this.#switches.pop();
    if (this.#switches.at(-1)?.cell === cell && this.#switches.length > 0) return;
    this.#switches.push({ from, cell });
    if (this.#switches.length > REMEMBERED) this.#switches.splice(0, REMEMBERED / 2);
  }

  /** The cell on whose behalf the thing of this number was made. */
  cellOf(id: number): number | undefined {
    let low = -1;
    let high = this.#switches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#switches[middle]!.from < id) low = middle;
      else high = middle - 1;
    }
    return this.#switches[low]?.cell;
  }
}

/** The best attribution that this Node offers. */
export function createAttribution(): Attribution {
  const major = Number(process.versions.node.split('.')[0]);
  const frames = process.execArgv.includes('--experimental-async-context-frame');
  return major >= 24 || frames ? new ContextAttribution() : new OriginAttribution();
}
