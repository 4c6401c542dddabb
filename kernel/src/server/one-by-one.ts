/** Does pieces of work on one thing one after the other, in the order in which they came. */
export class OneByOne {
  private readonly last = new Map<string, Promise<unknown>>();

  /**
   * @param thing names what the work is on; work on others is done beside it
   * @returns what the work comes to, and throws what it throws
   */
  async do<T>(thing: string, work: () => Promise<T>): Promise<T> {
    const done = (this.last.get(thing) ?? Promise.resolve()).then(work);
    const ended = done.catch(() => undefined);
    this.last.set(thing, ended);
    try {
      return await done;
    } finally {
      if (this.last.get(thing) === ended) this.last.delete(thing);
    }
  }
}
