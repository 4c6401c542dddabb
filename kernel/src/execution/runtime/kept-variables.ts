/**
 * Variables of the notebook that a loop keeps in locals while it runs: see `hot-loops.ts`. Their values up to the
 * last assignment stand in the fields of an object, from which they are put back when the loop is terminated,
 * and from which they can be seen while it runs.
 */
export class KeptVariables {
  #fields: object | undefined;
  #names: readonly string[] = [];

  /** @param fields values, in the order of the names */
  keep<T extends object>(fields: T, names: readonly string[]): T {
    this.#fields = fields;
    this.#names = names;
    return fields;
  }

  /** Copies the variables' present values to where other code sees them. */
  show(): void {
    if (!this.#fields) return;
    const values = Object.values(this.#fields) as unknown[];
    this.#names.forEach((name, index) => {
      (globalThis as Record<string, unknown>)[name] = values[index];
    });
  }

  /** Puts the variables back after the loop has been terminated. */
  restore(): void {
    this.show();
    this.#fields = undefined;
  }
}
