import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { homeFolder, writeRefusal } from '@fovea/engine/files';
import { matchesGlob } from '../../glob.js';
import type { JsonObject } from '../../json-object.js';
import { murmur2 } from '../cells/cell-file.js';
import { HistoryFile, type Line } from './history-file.js';

interface Entry {
  readonly session: number;
  readonly line: number;
  readonly code: string;
  output?: string;
}

type Row = [session: number, line: number, code: string | [code: string, output: string | null]];

/** Characters of a cell that is kept in the file. */
const ENTRY_LIMIT = 100_000;
/** Lines that wait for a disk that takes none; older ones are given up. */
const MOST_WAITING = 1000;

/** Where the history of notebooks in a folder is kept: `FOVEA_HISTORY`, or the user's state folder. */
export function historyFile(directory: string): string {
  const chosen = process.env.FOVEA_HISTORY;
  if (chosen) return chosen;
  const state = process.env.XDG_STATE_HOME || join(homeFolder(), '.local', 'state');
  return join(state, 'fovea', 'history', `${murmur2(directory).toString(16)}.jsonl`);
}

/**
 * Cells that were run, in this session and before. Kept in a file; without a writable file the history of this session
 * still works.
 */
export class History {
  readonly #file: HistoryFile;
  readonly #entries: Entry[];
  readonly #kernel = randomUUID();
  readonly #session: number;
  /** Lines that are to be written when the event loop has gone round: no cell waits for a disk. */
  #unwritten: Line[] = [];
  #flushing: NodeJS.Immediate | undefined;
  #isRefused = false;

  /** @param log called with a line for the terminal when the file cannot be written */
  constructor(
    file: string,
    private readonly log: (line: string) => void = () => undefined,
  ) {
    this.#file = new HistoryFile(file);
    this.#entries = entriesIn(this.#file.read());
    this.#session = Math.max(0, ...this.#entries.map(({ session }) => session)) + 1;
  }

  /** Makes room in a file that is full, for kernels to come; what this one knows stays. */
  shorten(): Promise<void> {
    return this.#file.shorten();
  }

  add(line: number, code: string): void {
    this.#entries.push({ session: this.#session, line, code });
    if (code.length <= ENTRY_LIMIT) this.#write({ n: line, c: code });
  }

  /** Keeps a cell's result as text. */
  setOutput(line: number, output: string): void {
    const entry = this.#entries.findLast((one) => one.session === this.#session && one.line === line);
    if (!entry) return;
    entry.output = output.slice(0, 10_000);
    this.#write({ n: line, o: entry.output });
  }

  /** Answers a history_request: `tail`, `range` and `search`. */
  answer(request: JsonObject): Row[] {
    const withOutput = request.output === true;
    return this.#select(request).map(({ session, line, code, output }) => [
      session,
      line,
      withOutput ? [code, output ?? null] : code,
    ]);
  }

  #select(request: JsonObject): Entry[] {
    const number = (name: string) =>
      typeof request[name] === 'number' ? (request[name] as number) : undefined;
    const last = (entries: Entry[], n: number | undefined) =>
      n === undefined ? entries : n > 0 ? entries.slice(-n) : [];
    switch (request.hist_access_type) {
      case 'range': {
        const asked = number('session') ?? 0;
        const session = asked <= 0 ? this.#session + asked : asked;
        const start = number('start') ?? 0;
        const stop = number('stop') ?? Number.POSITIVE_INFINITY;
        return this.#entries.filter(
          (entry) => entry.session === session && entry.line >= start && entry.line < stop,
        );
      }
      case 'search': {
        const pattern = typeof request.pattern === 'string' ? request.pattern : '*';
        let found = this.#entries.filter(({ code }) => matchesGlob(code, pattern));
        if (request.unique === true) found = [...new Map(found.map((entry) => [entry.code, entry])).values()];
        return last(found, number('n'));
      }
      default:
        return last(this.#entries, number('n') ?? 10);
    }
  }

  #write(line: Omit<Line, 's' | 'k'>): void {
    this.#flushing ??= setImmediate(() => this.flush());
    this.#unwritten.push({ s: this.#session, k: this.#kernel, ...line });
  }

  /** Writes what has not been written yet. What the disk refuses, since it is full, is written with what comes next. */
  flush(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    if (this.#unwritten.length === 0) return;
    try {
      this.#file.append(this.#unwritten);
      this.#unwritten = [];
      this.#isRefused = false;
    } catch (cause) {
      this.#unwritten = this.#unwritten.slice(-MOST_WAITING);
      if (!this.#isRefused)
        this.log(`cells are not kept in the history until it can be written: ${writeRefusal(cause)}`);
      this.#isRefused = true;
    }
  }
}

function entriesIn(lines: readonly Line[]): Entry[] {
  const entries = new Map<string, Entry>();
  const sessions = new Map<string | number, number>();
  let last = 0;
  for (const { s, k, n, c, o } of lines) {
    const own = k ?? s;
    const session = sessions.get(own) ?? Math.max(s, k === undefined ? 0 : last + 1);
    sessions.set(own, session);
    last = Math.max(last, session);
    const key = `${session}:${n}`;
    if (typeof c === 'string') entries.set(key, { session, line: n, code: c });
    const entry = entries.get(key);
    if (entry && typeof o === 'string') entry.output = o;
  }
  return [...entries.values()];
}
