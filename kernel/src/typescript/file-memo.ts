import { LRUCache } from 'lru-cache';

/** What was made of files, by path, for as long as a file stays as it is; the one used longest ago goes first. */
export class FileMemo<Value> {
  readonly #kept: LRUCache<string, { readonly stamp: string; readonly value: Value }>;

  /** @param most files; a notebook that imports more pays for some of them again at every cell */
  constructor(most = 4096) {
    this.#kept = new LRUCache({ max: most });
  }

  /**
   * What `make` returned for the file when it was as it is now.
   * @param stamp what the file is like now, as `stampOf` says it
   */
  get(path: string, stamp: string, make: () => Value): Value {
    const before = this.#kept.get(path);
    if (before?.stamp === stamp) return before.value;
    const value = make();
    this.#kept.set(path, { stamp, value });
    return value;
  }
}
