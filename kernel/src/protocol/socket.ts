import type { Reply, Router, XPublisher } from 'zeromq';

type Frames = readonly (Buffer | string | Uint8Array)[];

/**
 * A ZeroMQ socket whose sends wait for each other: the binding allows one send at a time, and order is what
 * the protocol is made of.
 */
export class QueuedSocket<S extends Router | XPublisher | Reply = Router | XPublisher | Reply> {
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly socket: S,
    private readonly onError: (error: unknown) => void,
  ) {}

  /**
   * Queues a message; resolves when the transport has taken it. A failed send is reported, never thrown.
   *
   * @param frames makes the message, when its turn has come
   */
  send(frames: () => Frames): Promise<void> {
    const sent = this.#last
      .then(() => this.socket.send(frames() as (Buffer | string)[]))
      .catch(this.onError) as Promise<void>;
    this.#last = sent;
    return sent;
  }

  /** Keeps back what is queued from now on until the event loop has gone round. */
  yield(): void {
    const before = this.#last;
    this.#last = new Promise((resolve) => setImmediate(resolve)).then(() => before);
  }

  /** Resolves when everything queued so far has been sent. */
  async drained(): Promise<void> {
    await this.#last;
  }
}
