import { appendFileSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Submission, SweepBackend, SweepEvent } from '../../../../kernel/src/sweep/backend.js';
import {
  type IdentifiedPoint,
  type Point,
  type PointRecord,
  pointId,
  type Where,
} from '../../../../kernel/src/sweep/point.js';

/** A runner that does as a point's network says; see fake-runner.mjs. */
export const fakeRunner = fileURLToPath(new URL('./fake-runner.mjs', import.meta.url));

/** A point for the fake runner. */
export function fakePoint(work: string, repeat = 0, where: Where = {}, sweep = 'test'): IdentifiedPoint {
  const point: Point = { kind: 'measure', network: work, where, repeat };
  return { id: pointId(point, sweep, 'test'), point };
}

export function submissionOf(points: readonly IdentifiedPoint[], sweep = 'test'): Submission {
  return { sweep, points, materials: [], space: { name: sweep, networks: points.map(({ id }) => id) } };
}

/** What somebody sees who watches a sweep. */
export class Watcher {
  readonly events: SweepEvent[] = [];
  readonly records = new Map<string, PointRecord>();
  readonly ended: Promise<void>;
  readonly #controller = new AbortController();
  #wake: () => void = () => undefined;

  constructor(backend: SweepBackend, sweep = 'test') {
    this.ended = this.#watch(backend, sweep);
    this.ended.catch(() => this.#wake());
  }

  /** Waits until `done` holds of what has been seen. */
  async until(done: () => boolean, timeoutMs = 40_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!done()) {
      if (Date.now() > deadline) throw new Error(`nothing came: ${JSON.stringify(this.events.slice(-10))}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 100);
      });
    }
  }

  /** Waits until so many points have ended. */
  points(count: number): Promise<void> {
    return this.until(() => this.records.size >= count);
  }

  stop(): Promise<void> {
    this.#controller.abort();
    return this.ended;
  }

  async #watch(backend: SweepBackend, sweep: string): Promise<void> {
    for await (const event of backend.events(sweep, this.#controller.signal)) {
      this.events.push(event);
      if (event.type === 'record') this.records.set(event.record.id, event.record);
      this.#wake();
    }
  }
}

/** What runners noted: which points were started and ended, by whom. */
export class ExecutionLog {
  constructor(readonly path: string) {
    appendFileSync(path, '');
  }

  entries(): { readonly what: 'start' | 'end'; readonly id: string; readonly worker: string }[] {
    const lines = readFileSync(this.path, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => {
      const [what, id, worker] = line.split(' ') as ['start' | 'end', string, string];
      return { what, id, worker };
    });
  }

  starts(id: string): number {
    return this.entries().filter((entry) => entry.what === 'start' && entry.id === id).length;
  }
}

export async function allRecords(backend: SweepBackend, sweep = 'test'): Promise<PointRecord[]> {
  const records: PointRecord[] = [];
  for await (const record of backend.records(sweep)) records.push(record);
  return records;
}
