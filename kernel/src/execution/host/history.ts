import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { homeFolder, makeFolder, replaceFileSync } from '@fovea/engine/files';
import { matchesGlob } from '../../glob.js';
import type { JsonObject } from '../../json-object.js';
import { murmur2 } from '../cells/cell-file.js';

interface Entry {
  /** The kernel that ran it: kernels that start together take the same number for their session. */
  readonly kernel: string | undefined;
  readonly session: number;
  readonly line: number;
  readonly code: string;
  output?: string;
}

/** A line of the file: a cell, or the result of one. */
interface Line {
  readonly s: number;
  /** Left out by earlier versions. */
  readonly k?: string | undefined;
  readonly n: number;
  readonly c?: string;
  readonly o?: string | undefined;
}

type Row = [session: number, line: number, code: string | [code: string, output: string | null]];

/** Entries kept in a file; older ones are dropped when it is read. */
const KEPT = 10_000;
const ENTRY_LIMIT = 100_000;

/** Where the history of notebooks in a folder is kept: `FOVEA_HISTORY`, or the user's state folder. */
export function historyFile(directory: string): string {
  const chosen = process.env.FOVEA_HISTORY;
  if (chosen) return chosen;
  const state = process.env.XDG_STATE_HOME || join(homeFolder(), '.local', 'state');
  return join(state, 'fovea', 'history', `${murmur2(directory).toString(16)}.jsonl`);
}

/**
 * Cells that were run, in this session and before. Kept in a file, one JSON text a line; without a writable
 * file the history of this session still works.
 */
export class History {
  readonly #entries: Entry[];
  readonly #kernel = randomUUID();
  readonly #session: number;
  /** Whether the file may end within a line, which the next one would become a part of. */
  #isTorn: boolean;
  /** Lines that are to be written when the event loop has gone round: no cell waits for a disk. */
  #unwritten = '';

  constructor(private readonly file: string) {
    const { entries, isTorn } = read(file);
    this.#entries = entries;
    this.#isTorn = isTorn;
    this.#session = Math.max(0, ...this.#entries.map(({ session }) => session)) + 1;
  }

  add(line: number, code: string): void {
    this.#entries.push({ kernel: this.#kernel, session: this.#session, line, code });
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
    if (this.#unwritten === '') setImmediate(() => this.flush());
    this.#unwritten += textOf({ s: this.#session, k: this.#kernel, ...line });
  }

  /** Writes what has not been written yet. */
  flush(): void {
    const text = this.#unwritten;
    this.#unwritten = '';
    if (text === '') return;
    try {
      makeFolder(dirname(this.file), 0o700);
      // Opened each time: another kernel may have replaced the file by a shorter one.
      appendFileSync(this.file, this.#isTorn ? `\n${text}` : text, { mode: 0o600 });
      this.#isTorn = false;
    } catch {
      // A full disk may have taken a part of it.
      this.#isTorn = true;
    }
  }
}

const textOf = (line: Line): string => `${JSON.stringify(line)}\n`;

function read(file: string): { readonly entries: Entry[]; readonly isTorn: boolean } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return { entries: [], isTorn: false };
  }
  const isTorn = text !== '' && !text.endsWith('\n');
  const entries = new Map<string, Entry>();
  const sessions = new Map<string | number, number>();
  let last = 0;
  for (const line of text.split('\n')) {
    try {
      const { s, k, n, c, o } = JSON.parse(line) as Line;
      if (!Number.isInteger(s) || !Number.isInteger(n)) continue;
      const own = k ?? s;
      const session = sessions.get(own) ?? Math.max(s, k === undefined ? 0 : last + 1);
      sessions.set(own, session);
      last = Math.max(last, session);
      const key = `${session}:${n}`;
      if (typeof c === 'string') entries.set(key, { kernel: k, session, line: n, code: c });
      const entry = entries.get(key);
      if (entry && typeof o === 'string') entry.output = o;
    } catch {
      // An incomplete line, from a kernel that was killed while writing: the others still count.
    }
  }
  const all = [...entries.values()];
  if (all.length <= KEPT) return { entries: all, isTorn };
  const kept = all.slice(-KEPT / 2);
  try {
    const lines = kept.map(({ kernel, session, line, code, output }) =>
      textOf({ s: session, k: kernel, n: line, c: code, o: output }),
    );
    replaceFileSync(file, lines.join(''), 0o600);
    return { entries: kept, isTorn: false };
  } catch {
    // It keeps its length.
    return { entries: kept, isTorn };
  }
}
