import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { type LockOptions, writeRefusal } from '@fovea/engine/files';
import { dataFolder } from '@fovea/engine/internal';
import { AsyncQueue } from '../async-queue.js';
import type { StorePruned, Submission, SweepBackend, SweepEvent, SweepSummary } from '../backend.js';
import { describeWhere, type PointRecord, serves, type Where } from '../point.js';
import { ownLabels } from '../runner/own-labels.js';
import { checkSweepName, isSweepName } from '../space/check-space.js';
import type { SweepSpace } from '../space/space.js';
import { namesIn, sweepsFolder } from '../storage/folders.js';
import { addReferences, References } from '../storage/references.js';
import { cancelElsewhere, holderOf, onCancelRequest } from './elsewhere.js';
import { Journal, type JournalContent } from './journal.js';
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
  /** Stops looking whether another process wants the sweep cancelled. */
  ignoreRequests?: () => void;
}

/** Sweeps on this machine alone, without a server: forked runners, and a journal for each sweep. */
export class EmbeddedBackend implements SweepBackend {
  readonly #folder: string;
  readonly #labels: Where;
  readonly #runner: string | undefined;
  readonly #opened = new Map<string, Promise<Opened>>();
  readonly #listeners = new Map<string, Set<AsyncQueue<SweepEvent>>>();
  #closed = false;

  constructor({ folder = sweepsFolder(dataFolder()), labels = {}, runner }: EmbeddedOptions = {}) {
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
    const hashes = materials.map(({ sha256 }) => sha256);
    const ids = points.map(({ id }) => id);
    await opened.journal.describe(sweep, space, ids, hashes);
    this.#refuseClosed(sweep);
    opened.ignoreRequests ??= onCancelRequest(opened.journal.path, () => this.cancel(sweep));
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
    const channel = new AsyncQueue<SweepEvent>();
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
    yield* (await this.#read(sweep))?.records.values() ?? [];
  }

  /** Runners of this machine have put it there. */
  async fetchNetwork(): Promise<void> {}

  async space(sweep: string): Promise<SweepSpace | undefined> {
    return (await this.#read(sweep))?.space;
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
    const opened = await this.#opened.get(sweep);
    if (opened) await opened.run?.cancel();
    else await cancelElsewhere(this.#pathOf(sweep), sweep);
    this.#tell(sweep, { type: 'cancelled' });
  }

  async list(): Promise<SweepSummary[]> {
    const files = await namesIn(this.#folder);
    const names = files.filter((file) => extname(file) === '.jsonl').map((file) => basename(file, '.jsonl'));
    const summaries: SweepSummary[] = [];
    for (const name of names.filter(isSweepName)) {
      const summary = await this.#summary(name);
      if (summary) summaries.push(summary);
    }
    return summaries;
  }

  async referencesOf(sweep: string): Promise<References> {
    const references = new References();
    const content = await this.#read(sweep);
    if (content) addReferences(references, content);
    return references;
  }

  /** What this machine stores is in the folder of the user's Fovea files. */
  async pruneStore(): Promise<StorePruned> {
    return { removed: [], kept: [] };
  }

  async remove(sweep: string): Promise<void> {
    if (!existsSync(this.#pathOf(sweep))) return;
    // Opening it makes sure that no other process writes it, also on a full disk, where removing makes room.
    const { run, journal } = await this.#open(sweep, { withoutRoom: true });
    if (run) throw new FoveaError('bad-argument', `sweep ${sweep} is running; cancel it first`);
    await rm(journal.path, { force: true }).catch((cause) => {
      throw new FoveaError('io', `cannot remove ${journal.path}: ${writeRefusal(cause)}`, { cause });
    });
    this.#opened.delete(sweep);
    await journal.close();
  }

  /** Stops what runs and releases the journals; what is under way to be added is not. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const opening of this.#opened.values()) {
      const opened = await opening.catch(() => undefined);
      opened?.ignoreRequests?.();
      await opened?.run?.cancel();
      await opened?.journal.close();
    }
    this.#opened.clear();
  }

  #pathOf(sweep: string): string {
    return join(this.#folder, `${checkSweepName(sweep)}.jsonl`);
  }

  /** What is kept of a sweep, also while another process runs it. */
  async #read(sweep: string): Promise<JournalContent | undefined> {
    const opened = await this.#opened.get(sweep);
    if (opened) return opened.journal;
    return Journal.read(this.#pathOf(sweep));
  }

  /** Undefined for one that was removed since it was listed. */
  async #summary(name: string): Promise<SweepSummary | undefined> {
    const path = this.#pathOf(name);
    const content = await this.#read(name);
    if (!content) return undefined;
    const { records, space, points, others } = content;
    const earlier = new Set(others);
    const own = [...records.values()].filter(({ id }) => !earlier.has(id));
    const failed = own.filter(({ status }) => status === 'failed').length;
    const all = Math.max(points, own.length);
    const under = (await holderOf(path)) !== undefined;
    return {
      ...{ name, kind: space?.kind ?? 'measure', points: all, completed: own.length - failed, failed },
      state: own.length === all ? 'completed' : under ? 'running' : 'stopped',
    };
  }

  /** A sweep that is stopped while it is added must not begin after that: nothing would end it. */
  #refuseClosed(sweep: string): void {
    if (this.#closed) throw new FoveaError('aborted', `sweep ${sweep} was stopped before it began`);
  }

  async #open(sweep: string, lock?: LockOptions): Promise<Opened> {
    this.#refuseClosed(sweep);
    let opening = this.#opened.get(sweep);
    if (!opening) {
      opening = Journal.open(this.#pathOf(sweep), sweep, lock).then((journal) => ({ journal }));
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
