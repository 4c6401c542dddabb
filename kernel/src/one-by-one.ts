/** Does pieces of work one after the other, in the order in which they came; one that fails stops none behind it. */
export class OneByOne {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves to what the work comes to, and rejects with what it throws. */
  do<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
