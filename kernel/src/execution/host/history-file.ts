import { appendFileSync, readFileSync, realpathSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder, underLock } from '@fovea/engine/files';

/** A line of the file: a cell, or the result of one. */
export interface Line {
  /** Its session. Stands first: `LINE_START`. */
  readonly s: number;
  /** The kernel that ran it; left out by earlier versions. */
  readonly k?: string | undefined;
  readonly n: number;
  readonly c?: string;
  readonly o?: string | undefined;
}

/** How a line begins, and what no text within one holds: quotation marks are escaped there. */
const LINE_START = '{"s":';

/** A file with more lines than this makes room for the next ones. */
const MOST_LINES = 10_000;

/**
 * The file of a history, one JSON text a line, which several kernels append to at once. It has an earlier part beside it,
 * `….1`. Nothing in either is ever copied or written over: a file that is full is renamed to be the earlier part. A kernel
 * that has it open at that moment writes into the earlier part, which is read as well.
 */
export class HistoryFile {
  constructor(private readonly path: string) {}

  get #earlier(): string {
    return `${this.path}.1`;
  }

  /** The lines of both parts, the oldest first. Those that were cut off are left out. */
  read(): Line[] {
    // In this order: a file that is renamed meanwhile is read twice, which changes nothing, and not never.
    const current = textOf(this.path);
    const lines: Line[] = [];
    for (const part of [textOf(this.#earlier), current]) {
      for (const text of part.split('\n')) {
        // Behind the beginning of one whose kernel was killed, or found the disk full, while it wrote.
        const line = parsed(text) ?? parsed(text.slice(Math.max(0, text.lastIndexOf(LINE_START))));
        if (line) lines.push(line);
      }
    }
    return lines;
  }

  /** @throws Error when they cannot be written, or not whole; they may then be appended again */
  append(lines: readonly Line[]): void {
    makeFolder(dirname(this.path), 0o700);
    const text = lines.map(({ s, ...line }) => `${JSON.stringify({ s, ...line })}\n`).join('');
    // Opened each time: another kernel may have renamed it.
    appendFileSync(this.path, text, { mode: 0o600 });
  }

  /** Makes a full file the earlier part, in place of the one before. Where that is not possible it keeps its length. */
  async shorten(): Promise<void> {
    if (!isFull(this.path)) return;
    try {
      await underLock(`${this.path}.lock`, 'shortening the history', async () => {
        // Another kernel may have done it: the file that is there now must not follow.
        if (isFull(this.path)) renameSync(realpathSync(this.path), this.#earlier);
      });
    } catch {
      // Another kernel does it, or nobody may rename it.
    }
  }
}

function isFull(path: string): boolean {
  const text = textOf(path);
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
  return lines > MOST_LINES;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function parsed(text: string): Line | undefined {
  if (!text.startsWith(LINE_START)) return undefined;
  try {
    const line = JSON.parse(text) as Line;
    return Number.isInteger(line.s) && Number.isInteger(line.n) ? line : undefined;
  } catch {
    return undefined;
  }
}
