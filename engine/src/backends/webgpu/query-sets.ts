/** Queries that one set may hold. */
export const SET_QUERIES = 4096;

/**
 * Sets of timestamp queries, made as they are needed and shared by programs of which one runs at a time. Metal has 32 of
 * them for a whole process, a browser for all its tabs, and says only when one is asked for that there are no more
 * (https://github.com/gpuweb/gpuweb/issues/3652).
 */
export class QuerySets {
  readonly #sets: GPUQuerySet[] = [];

  constructor(readonly gpu: GPUDevice) {}

  /** Sets for so many queries; undefined where there are not as many, so that passes are not timed. */
  async of(queries: number): Promise<readonly GPUQuerySet[] | undefined> {
    const count = Math.ceil(queries / SET_QUERIES);
    while (this.#sets.length < count) {
      const set = await this.#make();
      if (!set) return undefined;
      this.#sets.push(set);
    }
    return this.#sets.slice(0, count);
  }

  /** A set, if WebGPU has one: implementations do not agree on what kind of error it is when they have not. */
  async #make(): Promise<GPUQuerySet | undefined> {
    const { gpu } = this;
    const kinds = ['validation', 'out-of-memory', 'internal'] as const;
    for (const kind of kinds) gpu.pushErrorScope(kind);
    let set: GPUQuerySet | undefined;
    try {
      set = gpu.createQuerySet({ type: 'timestamp', count: SET_QUERIES });
    } catch {
      // The same, said by an exception.
    }
    const errors = await Promise.all(kinds.map(() => gpu.popErrorScope()));
    if (errors.every((error) => error === null)) return set;
    set?.destroy();
    return undefined;
  }

  destroy(): void {
    for (const set of this.#sets.splice(0)) set.destroy();
  }
}
