type Disposer = () => unknown;

/**
 * Values of top-level `using` declarations. At the top of a cell the scope is the notebook: such a value
 * lives until its name is declared again, the notebook is reset, or the runtime ends.
 */
export class Disposables {
  readonly #disposers = new Map<string, Disposer>();

  /** @throws TypeError when the value cannot be disposed of; null and undefined are accepted */
  use<T>(name: string, value: T): T {
    const before = this.#disposers.get(name);
    this.#disposers.delete(name);
    before?.();
    this.#keep(name, value, [Symbol.dispose]);
    return value;
  }

  async useAsync<T>(name: string, value: T | Promise<T>): Promise<T> {
    const awaited = await value;
    const before = this.#disposers.get(name);
    this.#disposers.delete(name);
    await before?.();
    this.#keep(name, awaited, [Symbol.asyncDispose, Symbol.dispose]);
    return awaited;
  }

  /** Disposes of everything, the latest first. */
  async clear(): Promise<void> {
    for (const [name, dispose] of [...this.#disposers].reverse()) {
      this.#disposers.delete(name);
      await dispose();
    }
  }

  #keep(name: string, value: unknown, symbols: readonly symbol[]): void {
    if (value === null || value === undefined) return;
    for (const symbol of symbols) {
      const method = (value as Record<symbol, unknown>)[symbol];
      if (typeof method === 'function') {
        this.#disposers.set(name, () => (method as Disposer).call(value));
        return;
      }
    }
    throw new TypeError(
      `the value of 'using ${name}' has no [${symbols.map((symbol) => symbol.description).join('] or [')}] method`,
    );
  }
}
