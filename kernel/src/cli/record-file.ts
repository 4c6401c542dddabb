import { appendFileSync } from 'node:fs';
import { FoveaError } from '@fovea/engine';
import { replaceFile } from '@fovea/engine/internal';
import type { PointRecord } from '../sweep/point.js';

/** A file of records, one JSON line each, that grows while a sweep runs. */
export class RecordFile {
  readonly #written = new Set<string>();
  #trouble: FoveaError | undefined;

  private constructor(private readonly path: string) {}

  /** @throws FoveaError `io` when it cannot be written */
  static async create(path: string): Promise<RecordFile> {
    await replaceFile(path, '');
    return new RecordFile(path);
  }

  /** Writes a whole file at once. */
  static write(path: string, text: string): Promise<void> {
    return replaceFile(path, text);
  }

  /** Adds a record, once. Trouble is kept until `close`: the sweep itself does not depend on this file. */
  add(record: PointRecord): void {
    if (this.#written.has(record.id) || this.#trouble) return;
    try {
      appendFileSync(this.path, `${JSON.stringify(record)}\n`);
      this.#written.add(record.id);
    } catch (cause) {
      this.#trouble = new FoveaError(
        'io',
        `cannot write ${this.path}: ${(cause as Error).message}; no result is lost: run the same command again to write it`,
        { cause },
      );
    }
  }

  /** @throws FoveaError `io` when a record could not be written */
  close(): void {
    if (this.#trouble) throw this.#trouble;
  }
}
