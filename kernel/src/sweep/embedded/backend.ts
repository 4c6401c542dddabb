import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { dataFolder } from '@fovea/engine/internal';
import type { Submission, SweepBackend, SweepEvent } from '../backend.js';
import { Channel } from '../channel.js';
import { describeWhere, type PointRecord, serves, type Where } from '../point.js';
import { ownLabels } from '../runner/labels.js';
import { checkSweepName } from '../space/check.js';
import type { SweepSpace } from '../space/space.js';
import { Journal } from './journal.js';
import { LocalSweep } from './local-sweep.js';

export interface EmbeddedOptions {
  /** Folder of the journals; the user's Fovea files when left out. */
  readonly folder?: string;
  /** Labels of this machine beside its own. */
  readonly labels?: Where;
  /** Program that computes points. */
  readonly runner?: string;
}

interface Opened {
  readonly journal: Journal;
  run?: LocalSweep;
}

/** Sweeps on this machine alone, without a server: forked runners, and a journal for each sweep. */
export class EmbeddedBackend implements SweepBackend {
  readonly #folder: string;
  readonly #labels: Where;
  readonly #runner: string | undefined;
  readonly #opened = new Map<string, Promise<Opened>>();
  readonly #listeners = new Map<string, Set<Channel<SweepEvent>>>();

  constructor({ folder = join(dataFolder(), 'sweeps'), labels = {}, runner }: EmbeddedOptions = {}) {
    this.#folder = folder;
    this.#labels = { ...ownLabels(), ...labels };
    this.#runner = runner;
  }

  async submit({ sweep, points, materials, space, retryFailed }: Submission): Promise<void> {
    for (const { point } of points) {
      if (!serves(this.#labels, point.where)) {
        throw new FoveaError(
          'bad-argument',
          `no worker may take points for ${describeWhere(point.where)}: this machine has ${describeWhere(this.#labels)}; give it the label, or a queue with workers that have it`,
        );
      }
    }
    const opened = await this.#open(sweep);
    await opened.journal.describe(sweep, space);
    opened.run ??= new LocalSweep({
      journal: opened.journal,
      worker: this.#labels.host!,
      tell: (event) => this.#tell(sweep, event),
      fail: (error) => this.#fail(sweep, error),
      ...(this.#runner === undefined ? {} : { runner: this.#runner }),
    });
    opened.run.add(points, materials, retryFailed === true);
  }

  async *events(sweep: string, signal: AbortSignal): AsyncIterable<SweepEvent> {
    const channel = new Channel<SweepEvent>();
    const listeners = this.#listeners.get(sweep) ?? new Set();
    this.#listeners.set(sweep, listeners.add(channel));
    const end = () => channel.end();
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    try {
      yield* channel;
    } finally {
      signal.removeEventListener('abort', end);
      listeners.delete(channel);
    }
  }

  async *records(sweep: string): AsyncIterable<PointRecord> {
    yield* (await this.#open(sweep)).journal.records.values();
  }

  async space(sweep: string): Promise<SweepSpace | undefined> {
    if (!existsSync(this.#pathOf(sweep))) return undefined;
    return (await this.#open(sweep)).journal.space;
  }

  async pause(sweep: string): Promise<void> {
    (await this.#open(sweep)).run?.pause();
    this.#tell(sweep, { type: 'paused' });
  }

  async resume(sweep: string): Promise<void> {
    (await this.#open(sweep)).run?.resume();
    this.#tell(sweep, { type: 'resumed' });
  }

  async cancel(sweep: string): Promise<void> {
    await (await this.#open(sweep)).run?.cancel();
    this.#tell(sweep, { type: 'cancelled' });
  }

  async close(): Promise<void> {
    for (const opening of this.#opened.values()) {
      const opened = await opening.catch(() => undefined);
      await opened?.run?.cancel();
      await opened?.journal.close();
    }
    this.#opened.clear();
  }

  #pathOf(sweep: string): string {
    return join(this.#folder, `${checkSweepName(sweep)}.jsonl`);
  }

  #open(sweep: string): Promise<Opened> {
    let opening = this.#opened.get(sweep);
    if (!opening) {
      opening = Journal.open(this.#pathOf(sweep), sweep).then((journal) => ({ journal }));
      this.#opened.set(sweep, opening);
      opening.catch(() => this.#opened.delete(sweep));
    }
    return opening;
  }

  #tell(sweep: string, event: SweepEvent): void {
    for (const channel of this.#listeners.get(sweep) ?? []) channel.push(event);
  }

  #fail(sweep: string, error: unknown): void {
    for (const channel of this.#listeners.get(sweep) ?? []) channel.end(error);
  }
}
