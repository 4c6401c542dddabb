import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';
import workerThreads, { type Worker } from 'node:worker_threads';
import type { Cell } from './cell.js';

/** Taken before timers are tracked: the kernel's own must not be cleared with a cell's. */
const later = globalThis.setTimeout;

/** How long workers are observed to determine whether they are busy. */
const WATCH_MS = 100;
/** Processor time within it from which on they are: idle workers of pools block, which looks the same from outside. */
const BUSY_MS = 20;

/**
 * Remembers which cell started which worker, so that an interrupt ends it.
 *
 * @returns ends all workers, of whichever cell, that spin: for a while from now on they do not get to their event loop
 */
export function trackWorkers(cellOf: () => Cell | undefined): () => void {
  const all = new Set<Worker>();
  const Native = workerThreads.Worker;
  const Tracked = class Worker extends Native {
    constructor(...parameters: ConstructorParameters<typeof Native>) {
      super(...parameters);
      const cell = cellOf();
      all.add(this);
      if (cell && !cell.ended) cell.workers.add(this);
      this.once('exit', () => {
        all.delete(this);
        cell?.workers.delete(this);
      });
    }
  };
  (workerThreads as { Worker: typeof Native }).Worker = Tracked;
  syncBuiltinESMExports();
  return () => {
    if (all.size === 0) return;
    const cpu = process.cpuUsage();
    const before = [...all].map((worker) => [worker, worker.performance.eventLoopUtilization()] as const);
    later(() => {
      const { user, system } = process.cpuUsage(cpu);
      if ((user + system) / 1000 < BUSY_MS) return;
      for (const [worker, utilization] of before) {
        const { idle } = worker.performance.eventLoopUtilization(utilization);
        if (idle === 0 && all.has(worker)) void worker.terminate();
      }
    }, WATCH_MS);
  };
}
