import { FoveaError } from '@fovea/engine';
import { didYouMean } from '@fovea/engine/files';
import { dataFolder, type SkippedFile } from '@fovea/engine/internal';
import type { SweepBackend, SweepEvent } from './backend.js';
import { engineVersion } from './engine-version.js';
import { keptBy } from './kept-networks.js';
import { openBackend } from './open-backend.js';
import { describeWhere, type Point, type PointRecord, type Where } from './point.js';
import { type CheckedSpace, checkSpace, checkSweepName } from './space/check-space.js';
import { checkConfirmed, type Expansion, expandSpace, questionAbout } from './space/expand.js';
import type { SweepSpace } from './space/space.js';
import { beginUse } from './storage/use.js';

/** Where and how a sweep runs. */
export interface SweepOptions {
  /** `redis://` or `rediss://` address of a queue that workers serve; left out, this machine runs the points. */
  readonly queue?: string;
  /** Labels of this machine beside its own, where it runs the points. */
  readonly labels?: Where;
  /** Confirms in advance a space without points, or with very many. */
  readonly confirm?: boolean;
  /** Run points again that have failed. */
  readonly retryFailed?: boolean;
  /** Aborting it leaves the sweep as it is on a queue, and stops it on this machine; it can be resumed by its name. */
  readonly signal?: AbortSignal;
  /** Where points are kept, in the place of `queue`. */
  readonly backend?: SweepBackend;
}

/** Options of a caller that wants to know what happens before the sweep has started. */
export interface SweepStart extends SweepOptions {
  /** Called with one line while the queue cannot be reached and is waited for. */
  readonly onWaiting?: (line: string) => void;
}

/** How long a watching process waits for a queue that cannot be reached, which may be restarting. */
const queueWaitMs = 20_000;

export type SweepState = 'running' | 'paused' | 'cancelled' | 'completed';

/** What came of a sweep. */
export interface SweepResult {
  readonly name: string;
  readonly state: SweepState;
  /** How many points the space has. */
  readonly points: number;
  /** Of points that have ended, in the order of the space. */
  readonly records: readonly PointRecord[];
  /** Files of `data.folder` that are not used, and why. */
  readonly skipped: readonly SkippedFile[];
}

/** A point that a worker computes now. */
export interface RunningPoint {
  readonly worker: string;
  readonly fraction: number;
}

/** A sweep under way, as the process that started it sees it. */
export class Sweep {
  readonly records = new Map<string, PointRecord>();
  readonly running = new Map<string, RunningPoint>();
  /** What prevents points from running, by selector. */
  readonly notices = new Map<string, string>();
  readonly startedMs = performance.now();
  /** Points that had ended before this start. */
  resumed = 0;
  state: SweepState = 'running';
  /**
   * Resolves when every point has ended or the sweep was cancelled; rejects with FoveaError `io` when results cannot be
   * kept, and `aborted`.
   */
  readonly finished: Promise<SweepResult>;
  readonly #fetching: Promise<void>[] = [];
  readonly #listening = new AbortController();
  readonly #expected: ReadonlyMap<string, Point>;
  readonly #listeners = new Set<(event: SweepEvent) => void>();

  private constructor(
    readonly space: CheckedSpace,
    readonly expansion: Expansion,
    private readonly backend: SweepBackend,
    private readonly options: SweepOptions,
    private readonly endUse: () => Promise<void>,
  ) {
    this.#expected = new Map(expansion.points.map(({ id, point }) => [id, point]));
    this.finished = this.#run();
    // Those who await it receive the error; it must not be reported as unhandled.
    this.finished.catch(() => undefined);
  }

  /**
   * Checks and starts a sweep, or continues the one of that name: points that have ended do not run again.
   *
   * @param space what it covers, or the name of a sweep that was started before
   * @throws FoveaError `bad-argument` or `unknown-name` for a space that is wrong, has no points or very many; `io` for
   *   a queue that refuses, or cannot be reached for 20 seconds
   */
  static async start(space: SweepSpace | string, options: SweepStart = {}): Promise<Sweep> {
    const backend = options.backend ?? (await openBackend({ ...options, waitMs: queueWaitMs }));
    let endUse: (() => Promise<void>) | undefined;
    try {
      endUse = await beginUse(dataFolder());
      const checked = checkSpace(typeof space === 'string' ? await spaceNamed(backend, space) : space);
      if (checked.modules && backend.queue !== undefined)
        throw new FoveaError(
          'unsupported',
          'modules: workers of a queue run no code but their own; a sweep without a queue is accepted',
        );
      checkConfirmed(questionAbout(checked), options.confirm === true, 'confirm: true runs it');
      const expansion = await expandSpace(checked, engineVersion);
      return new Sweep(checked, expansion, backend, options, endUse);
    } catch (error) {
      await endUse?.();
      if (!options.backend) await backend.close();
      throw error;
    }
  }

  get name(): string {
    return this.space.name;
  }

  get points(): number {
    return this.#expected.size;
  }

  /** A point of this sweep. */
  pointOf(id: string): Point {
    return this.#expected.get(id)!;
  }

  /** Starts no further point until `resume`. */
  pause(): Promise<void> {
    return this.backend.pause(this.name);
  }

  resume(): Promise<void> {
    return this.backend.resume(this.name);
  }

  /** Drops what waits and stops what runs; `finished` resolves with what there is. */
  cancel(): Promise<void> {
    return this.backend.cancel(this.name);
  }

  /** Calls `listener` after every change. */
  onChange(listener: (event: SweepEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** What there is now. */
  result(): SweepResult {
    const { name, state, points, records } = this;
    const ended = this.expansion.points.flatMap(({ id }) => records.get(id) ?? []);
    return { name, state, points, records: ended, skipped: this.expansion.skipped };
  }

  async #run(): Promise<SweepResult> {
    const { signal } = this.options;
    const stop = () => this.#listening.abort();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      if (signal?.aborted) stop();
      const listening = this.#listen();
      await Promise.race([this.#submit(), listening]);
      await listening;
      await Promise.all(this.#fetching);
      if (signal?.aborted && this.state !== 'completed' && this.state !== 'cancelled') {
        const ended = `${this.records.size} of ${this.points} points`;
        throw new FoveaError(
          'aborted',
          this.options.queue === undefined
            ? `sweep ${this.name} was stopped after ${ended}; start it again to continue`
            : `sweep ${this.name} goes on without being watched, after ${ended}; start it again to see it, or cancel it`,
        );
      }
      return this.result();
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#listening.abort();
      if (!this.options.backend) await this.backend.close();
      await this.endUse();
    }
  }

  async #submit(): Promise<void> {
    const { name: sweep, space, expansion } = this;
    try {
      const { retryFailed = false } = this.options;
      await this.backend.submit({ sweep, space, ...expansion, retryFailed });
      for await (const record of this.backend.records(sweep)) {
        if (this.#expected.has(record.id) && !this.records.has(record.id)) this.resumed++;
        this.#take({ type: 'record', record });
      }
      this.#check();
    } catch (error) {
      this.#listening.abort();
      throw error;
    }
  }

  async #listen(): Promise<void> {
    for await (const event of this.backend.events(this.name, this.#listening.signal)) this.#take(event);
  }

  #take(event: SweepEvent): void {
    switch (event.type) {
      case 'started':
        if (this.#expected.has(event.id)) this.running.set(event.id, { worker: event.worker, fraction: 0 });
        break;
      case 'progress': {
        const running = this.running.get(event.id);
        if (running) this.running.set(event.id, { ...running, fraction: event.fraction });
        break;
      }
      case 'returned':
        this.running.delete(event.id);
        break;
      case 'record':
        if (!this.#expected.has(event.record.id)) return;
        this.running.delete(event.record.id);
        if (!this.records.has(event.record.id)) this.#fetchNetwork(event.record);
        this.records.set(event.record.id, event.record);
        this.#check();
        break;
      case 'unroutable':
        this.#notice(describeWhere(event.where), event.points === 0 ? undefined : event.reason);
        break;
      case 'trouble':
        this.#notice('connection', event.message === '' ? undefined : event.message);
        break;
      case 'paused':
        this.state = 'paused';
        break;
      case 'resumed':
        this.state = 'running';
        break;
      case 'cancelled':
        this.state = 'cancelled';
        this.running.clear();
        this.#listening.abort();
        break;
    }
    for (const listener of this.#listeners) listener(event);
  }

  /** Fetches networks that points have made, whichever machine made them. */
  #fetchNetwork({ result }: PointRecord): void {
    const sha256 = result ? keptBy(result) : undefined;
    if (sha256 === undefined) return;
    const fetched = this.backend.fetchNetwork(this.name, sha256).catch((error: Error) => {
      this.#take({ type: 'trouble', message: `a network could not be fetched: ${error.message}` });
    });
    this.#fetching.push(fetched);
  }

  #notice(key: string, text: string | undefined): void {
    if (text === undefined) this.notices.delete(key);
    else this.notices.set(key, text);
  }

  #check(): void {
    if (this.records.size < this.points || this.state === 'cancelled') return;
    this.state = 'completed';
    this.#listening.abort();
  }
}

async function spaceNamed(backend: SweepBackend, name: string): Promise<SweepSpace> {
  const space = await backend.space(checkSweepName(name));
  if (space) return space;
  const known = (await backend.list()).map((sweep) => sweep.name);
  throw new FoveaError(
    'unknown-name',
    `no sweep "${name}" was started here; a space is accepted${didYouMean(name, known)}`,
  );
}
