/** Stands in bundles for browsers where `AsyncLocalStorage` would: the value is known until the function that was called returns, not behind its `await`s. */
export class AsyncContext<Value> {
  #value: Value | undefined;

  getStore(): Value | undefined {
    return this.#value;
  }

  run<Result>(value: Value, work: () => Result): Result {
    const outer = this.#value;
    this.#value = value;
    try {
      return work();
    } finally {
      this.#value = outer;
    }
  }
}
