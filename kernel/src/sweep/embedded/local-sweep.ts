import { FoveaError } from '@fovea/engine/errors';
import { diskRefusal } from '@fovea/engine/files';
import { measureAlone } from '../../measure-alone.js';
import type { SweepEvent } from '../backend.js';
import type { MaterialPaths } from '../compute/context.js';
import type { Material } from '../material.js';
import {
  type IdentifiedPoint,
  MOST_ATTEMPTS,
  measures,
  type PointRecord,
  type PointResult,
} from '../point.js';
import { Runner } from '../runner/runner.js';
import type { Journal } from './journal.js';
import { machineTurns, pointsAtOnce } from './turns.js';

interface LocalSweepOptions {
  readonly journal: Journal;
  /** Name of this machine in records. */
  readonly worker: string;
  readonly tell: (event: SweepEvent) => void;
  /** Called when records cannot be kept any more, and therefore nothing runs. */
  readonly fail: (error: unknown) => void;
  readonly runner?: string;
}

/** The points of one sweep that are run by this process. */
export class LocalSweep {
  readonly #waiting = new Map<string, IdentifiedPoint>();
  readonly #running = new Map<string, AbortController>();
  readonly #idle: Runner[] = [];
  readonly #ending = new Set<Promise<void>>();
  #materials: MaterialPaths = {};
  #paused = false;

  constructor(private readonly options: LocalSweepOptions) {}

  /** Adds those points that have neither ended nor been added; resumes a paused sweep. */
  add(points: readonly IdentifiedPoint[], materials: readonly Material[], retryFailed: boolean): void {
    const paths = materials.map(({ sha256, files }) => [sha256, files[0]!.path] as const);
    this.#materials = { ...this.#materials, ...Object.fromEntries(paths) };
    const { records } = this.options.journal;
    for (const point of points) {
      const { id } = point;
      const ended = records.get(id);
      if ((ended && !(retryFailed && ended.status === 'failed')) || this.#running.has(id)) continue;
      records.delete(id);
      this.#waiting.set(id, point);
    }
    this.resume();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#fill();
  }

  /** Drops what waits, stops what runs, and ends the runners. */
  async cancel(): Promise<void> {
    this.#waiting.clear();
    for (const controller of this.#running.values()) controller.abort();
    await Promise.all(this.#ending);
    for (const runner of this.#idle.splice(0)) runner.stop();
  }

  #fill(): void {
    for (const [id, point] of this.#waiting) {
      if (this.#paused || this.#running.size >= pointsAtOnce(point.point.kind)) return;
      this.#waiting.delete(id);
      const controller = new AbortController();
      this.#running.set(id, controller);
      const ended = this.#run(point, controller.signal)
        .catch((error: unknown) => {
          this.#waiting.clear();
          this.options.fail(error);
        })
        .finally(() => {
          this.#running.delete(id);
          this.#ending.delete(ended);
          this.#fill();
        });
      this.#ending.add(ended);
    }
  }

  async #run(point: IdentifiedPoint, signal: AbortSignal): Promise<void> {
    const alone = pointsAtOnce(point.point.kind) === 1;
    const record = await machineTurns.take(alone, signal, () => this.#attempt(point, signal));
    if (!record) return;
    await this.options.journal.add(record);
    this.options.tell({ type: 'record', record });
  }

  /** Tries a point until it succeeds or has failed too often; nothing when it was stopped. */
  async #attempt({ id, point }: IdentifiedPoint, signal: AbortSignal): Promise<PointRecord | undefined> {
    const { worker, tell } = this.options;
    const runner = this.#idle.pop() ?? new Runner(this.options.runner);
    const startedAt = new Date().toISOString();
    const ended = (attempts: number, outcome: { result: PointResult } | { error: string }): PointRecord => ({
      ...{ id, point },
      ...('result' in outcome
        ? { status: 'completed', result: outcome.result }
        : { status: 'failed', result: null, error: outcome.error }),
      ...{ attempts, worker, startedAt, endedAt: new Date().toISOString() },
    });
    try {
      for (let attempt = 1; !signal.aborted; attempt++) {
        tell({ type: 'started', id, worker });
        try {
          const onProgress = (fraction: number) => tell({ type: 'progress', id, fraction });
          const task = { id, point, materials: this.#materials, modules: this.#materials };
          const run = () => runner.run(task, { signal, onProgress });
          return ended(attempt, { result: await (measures(point) ? measureAlone(run, signal) : run()) });
        } catch (error) {
          // It would fail every point, each after all its work.
          if (diskRefusal(error) !== undefined)
            throw error instanceof FoveaError ? error : new FoveaError('io', (error as Error).message);
          if (!signal.aborted && attempt === MOST_ATTEMPTS)
            return ended(attempt, { error: (error as Error).message });
        }
      }
      return undefined;
    } finally {
      this.#idle.push(runner);
    }
  }
}
