import { appendFileSync, readFileSync, type Stats, statSync, truncateSync } from 'node:fs';
import { FoveaError } from '@fovea/engine';
import { replaceFile, writeRefusal } from '@fovea/engine/files';
import type { PointRecord } from '../../sweep/point.js';

const lineOf = (record: PointRecord) => `${JSON.stringify(record)}\n`;

/** The whole lines of a text, and what comes after the last one. */
function linesOf(text: string): { readonly whole: readonly string[]; readonly rest: string } {
  const lines = text.split('\n');
  return { rest: lines.pop()!, whole: lines.map((line) => `${line}\n`) };
}

/** Whether all lines of a text are among others, the last one perhaps as half of one: writing those instead loses nothing. */
function areAmong(text: string, others: string): boolean {
  const { whole, rest } = linesOf(text);
  const among = new Set(linesOf(others).whole);
  return whole.every((line) => among.has(line)) && [...among, ''].some((line) => line.startsWith(rest));
}

/**
 * A file of records, one JSON line each, that grows while a sweep runs, from the first record on: a sweep that is refused,
 * for example because it runs already, must not touch the file of another. Records of that sweep that the file has are gone
 * on from. Where it has anything else, that stays until the sweep has completed, and is then replaced at once.
 */
export class RecordFile {
  readonly #lines = new Map<string, string>();
  /** What the path leads to while it grows; undefined before that, and where something else has to stay. */
  #growing: Stats | undefined;
  #begun = false;
  #bytes = 0;
  #trouble: FoveaError | undefined;

  /** @param records what the sweep has from earlier */
  constructor(
    private readonly path: string,
    records: Iterable<PointRecord> = [],
  ) {
    for (const record of records) this.#lines.set(record.id, lineOf(record));
  }

  /** Adds a record, once. An error is kept until `end`: the sweep itself does not depend on this file. */
  add(record: PointRecord): void {
    if (this.#lines.has(record.id)) return;
    this.#lines.set(record.id, lineOf(record));
    this.#write(lineOf(record));
  }

  /**
   * Ends the file of a sweep that has run; without records it is empty.
   * @param isComplete whether the sweep has all of its records
   * @returns whether the file has them; otherwise it has what was there before
   * @throws FoveaError `io` when a record could not be written
   */
  async end(isComplete: boolean): Promise<boolean> {
    this.#write('');
    if (this.#trouble) throw this.#trouble;
    return this.#growing !== undefined || replaceUnlessLost(this.path, this.#text, isComplete);
  }

  get #text(): string {
    return [...this.#lines.values()].join('');
  }

  #write(line: string): void {
    if (this.#trouble) return;
    try {
      if (!this.#begun) this.#begin();
      else if (this.#growing) this.#append(line);
    } catch (cause) {
      this.#cutOff();
      this.#trouble = new FoveaError(
        'io',
        `cannot write ${this.path}: ${writeRefusal(cause)}; no result is lost: run the same command again to write it`,
        { cause },
      );
    }
  }

  /** Writes all records so far, where that loses nothing. */
  #begin(): void {
    this.#begun = true;
    const there = contentOf(this.path) ?? '';
    if (!areAmong(there, this.#text)) return;
    // Made where it is missing; what another program writes at this moment stays.
    appendFileSync(this.path, '');
    this.#growing = statSync(this.path);
    this.#bytes = Buffer.byteLength(there);
    this.#checkUnchanged();
    const { whole } = linesOf(there);
    this.#bytes = Buffer.byteLength(whole.join(''));
    truncateSync(this.path, this.#bytes);
    const had = new Set(whole);
    this.#append([...this.#lines.values()].filter((line) => !had.has(line)).join(''));
  }

  #checkUnchanged(): void {
    const { dev, ino } = this.#growing!;
    const now = statSync(this.path, { throwIfNoEntry: false });
    if (now?.dev === dev && now.ino === ino && now.size === this.#bytes) return;
    // What is there is not cut off either.
    this.#growing = undefined;
    throw new Error(`another program has ${now ? 'changed' : 'removed'} it meanwhile`);
  }

  #append(text: string): void {
    this.#checkUnchanged();
    appendFileSync(this.path, text);
    this.#bytes += Buffer.byteLength(text);
  }

  /** Half a line may be there, for example when the disk is full: a later command would not take it for a record. */
  #cutOff(): void {
    try {
      if (this.#growing) truncateSync(this.path, this.#bytes);
    } catch {
      // What is there can be read up to that line.
    }
  }
}

/**
 * Writes a whole file at once, unless that would lose what is there for less than all of a sweep's records.
 * @param isComplete whether the text has all of them
 * @returns whether it was written
 * @throws FoveaError `io`
 */
export async function replaceUnlessLost(path: string, text: string, isComplete: boolean): Promise<boolean> {
  if (!isComplete && !areAmong(contentOf(path) ?? '', text)) return false;
  await replaceFile(path, text);
  return true;
}

/** Undefined where there is no such file. */
function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FoveaError('io', `cannot read ${path}: ${writeRefusal(cause)}`, { cause });
  }
}
