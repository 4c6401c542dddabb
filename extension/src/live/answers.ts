interface Awaited {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** Answers that are awaited, by the serial numbers of their requests. */
export class Answers {
  private readonly awaited = new Map<number, Awaited>();

  /** The answer to a request. @throws what `take` is given, or what `rejectAll` says */
  wait<Answer>(serial: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.awaited.set(serial, { resolve: resolve as Awaited['resolve'], reject });
    });
  }

  /** Delivers an answer or an error. @returns whether something was waiting for it */
  take(serial: number | undefined, answer: unknown): boolean {
    const awaited = serial === undefined ? undefined : this.awaited.get(serial);
    if (serial === undefined || !awaited) return false;
    this.awaited.delete(serial);
    if (answer instanceof Error) awaited.reject(answer);
    else awaited.resolve(answer);
    return true;
  }

  /** Nothing will be answered any more. */
  rejectAll(reason: string): void {
    for (const { reject } of this.awaited.values()) reject(new Error(reason));
    this.awaited.clear();
  }
}
