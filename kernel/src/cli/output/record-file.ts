import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { FoveaError } from '@fovea/engine';
import { replaceFile, writeRefusal } from '@fovea/engine/files';
import type { PointRecord } from '../../sweep/point.js';

/**
 * A file of records, one JSON line each, that grows while a sweep runs. What the path held before is replaced with the
 * first record: a sweep that is refused, for example because it runs already, must not empty the file of another.
 */
export class RecordFile {
  readonly #written = new Set<string>();
  #begun = false;
  #bytes = 0;
  #trouble: FoveaError | undefined;

  constructor(private readonly path: string) {}

  /** Writes a whole file at once. */
  static write(path: string, text: string): Promise<void> {
    return replaceFile(path, text);
  }

  /** Adds a record, once. An error is kept until `close`: the sweep itself does not depend on this file. */
  add(record: PointRecord): void {
    if (this.#written.has(record.id) || this.#trouble) return;
    try {
      this.#begin();
      const line = Buffer.from(`${JSON.stringify(record)}\n`);
      appendFileSync(this.path, line);
      this.#bytes += line.length;
      this.#written.add(record.id);
    } catch (cause) {
      this.#cutOff();
      this.#trouble = new FoveaError(
        'io',
        `cannot write ${this.path}: ${writeRefusal(cause)}; no result is lost: run the same command again to write it`,
        { cause },
      );
    }
  }

  /**
   * Ends the file of a sweep that has run; without records it is empty.
   * @throws FoveaError `io` when a record could not be written
   */
  close(): void {
    if (this.#trouble) throw this.#trouble;
    this.#begin();
  }

  #begin(): void {
    if (!this.#begun) writeFileSync(this.path, '');
    this.#begun = true;
  }

  /** Half a line may be there, for example when the disk is full: a later command would not take it for a record. */
  #cutOff(): void {
    try {
      if (this.#begun) truncateSync(this.path, this.#bytes);
    } catch {
      // What is there can be read up to that line.
    }
  }
}
