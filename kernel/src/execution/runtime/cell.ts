import type { ChildProcess } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { clearImmediate, clearTimeout } from 'node:timers';
import type { Worker } from 'node:worker_threads';
import type { JsonObject } from '../../json-object.js';
import type { ExecuteOrder } from '../wire.js';

// Cells may have variables of these names: the kernel keeps its own.
const { AbortController } = globalThis;

/** Thrown into a cell's own code, and the reason of its signal, when the user interrupts it. */
export class KeyboardInterrupt extends Error {
  override readonly name = 'KeyboardInterrupt';
  constructor() {
    super('the cell was interrupted');
  }
}

/** One cell while it runs, and what it has started. */
export class Cell {
  readonly controller = new AbortController();
  readonly timers = new Set<NodeJS.Timeout | NodeJS.Immediate>();
  readonly children = new Set<ChildProcess>();
  readonly workers = new Set<Worker>();
  /** Displays whose MIME bundle is still being made. */
  readonly displays = new Set<Promise<void>>();
  readonly payload: JsonObject[] = [];
  readonly startedMs = performance.now();
  value: unknown;
  /** Set when the cell has been answered; what comes later is late output. */
  ended = false;

  constructor(readonly order: ExecuteOrder) {}

  get id(): number {
    return this.order.cell;
  }

  get interrupted(): boolean {
    return this.controller.signal.aborted;
  }

  /** Stops what can be stopped without terminating code: the signal, timers, children, workers. */
  interrupt(): void {
    if (!this.interrupted) this.controller.abort(new KeyboardInterrupt());
    for (const timer of this.timers) {
      clearTimeout(timer as NodeJS.Timeout);
      clearImmediate(timer as NodeJS.Immediate);
    }
    this.timers.clear();
    for (const child of this.children) child.kill('SIGINT');
    this.children.clear();
    for (const worker of this.workers) void worker.terminate();
    this.workers.clear();
  }
}
