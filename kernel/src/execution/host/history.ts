import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeFolder } from '@fovea/engine/files';
import type { JsonObject } from '../../json-object.js';
import { murmur2 } from '../cells/cell-file.js';

interface Entry {
  readonly session: number;
  readonly line: number;
  readonly code: string;
  output?: string;
}

type Row = [session: number, line: number, code: string | [code: string, output: string | null]];

/** Entries kept in a file; older ones are dropped when it is read. */
const KEPT = 10_000;
const ENTRY_LIMIT = 100_000;

/** Where the history of notebooks in a folder is kept: `FOVEA_HISTORY`, or the user's state folder. */
export function historyFile(directory: string): string {
  const chosen = process.env.FOVEA_HISTORY;
  if (chosen) return chosen;
  const state = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  return join(state, 'fovea', 'history', `${murmur2(directory).toString(16)}.jsonl`);
}

/**
 * Cells that were run, in this session and before. Kept in a file, one JSON text a line; without a writable
 * file the history of this session still works.
 */
export class History {
  readonly #entries: Entry[];
  readonly #session: number;
  /** Opened with the first entry; `null` when it cannot be written. */
  #descriptor: number | null | undefined;
  /** Lines that are to be written when the event loop has gone round: no cell waits for a disk. */
  #unwritten = '';

  constructor(private readonly file: string) {
    this.#entries = read(file);
    this.#session = Math.max(0, ...this.#entries.map(({ session }) => session)) + 1;
  }

  add(line: number, code: string): void {
    const entry: Entry = { session: this.#session, line, code };
    this.#entries.push(entry);
    if (code.length <= ENTRY_LIMIT) this.#write({ s: entry.session, n: line, c: code });
  }

  /** Keeps a cell's result as text. */
  setOutput(line: number, output: string): void {
    const entry = this.#entries.findLast((one) => one.session === this.#session && one.line === line);
    if (!entry) return;
    entry.output = output.slice(0, 10_000);
    this.#write({ s: entry.session, n: line, o: entry.output });
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
        const pattern = glob(typeof request.pattern === 'string' ? request.pattern : '*');
        let found = this.#entries.filter(({ code }) => pattern.test(code));
        if (request.unique === true) found = [...new Map(found.map((entry) => [entry.code, entry])).values()];
        return last(found, number('n'));
      }
      default:
        return last(this.#entries, number('n') ?? 10);
    }
  }

  #write(record: object): void {
    if (this.#unwritten === '') setImmediate(() => this.flush());
    this.#unwritten += `${JSON.stringify(record)}\n`;
  }

  /** Writes what has not been written yet. */
  flush(): void {
    const text = this.#unwritten;
    this.#unwritten = '';
    if (text === '') return;
    try {
      if (this.#descriptor === undefined) {
        makeFolder(dirname(this.file), 0o700);
        this.#descriptor = openSync(this.file, 'a', 0o600);
      }
      if (this.#descriptor !== null) writeSync(this.#descriptor, text);
    } catch {
      this.#descriptor = null;
    }
  }
}

/** A pattern in which `*` matches any text and `?` any character. */
function glob(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '[\\s\\S]*')
    .replace(/\?/g, '[\\s\\S]');
  return new RegExp(`^${source}$`);
}

function read(file: string): Entry[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const entries = new Map<string, Entry>();
  for (const line of text.split('\n')) {
    try {
      const { s, n, c, o } = JSON.parse(line) as { s: number; n: number; c?: string; o?: string };
      const key = `${s}:${n}`;
      if (typeof c === 'string') entries.set(key, { session: s, line: n, code: c });
      const entry = entries.get(key);
      if (entry && typeof o === 'string') entry.output = o;
    } catch {
      // An incomplete line, from a kernel that was killed while writing: the others still count.
    }
  }
  const all = [...entries.values()];
  if (all.length <= KEPT) return all;
  const kept = all.slice(-KEPT / 2);
  try {
    const lines = kept.map(({ session, line, code, output }) =>
      JSON.stringify({ s: session, n: line, c: code, o: output }),
    );
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  } catch {
    // It keeps its length.
  }
  return kept;
}
