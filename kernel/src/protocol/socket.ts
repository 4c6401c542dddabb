import type { Reply, Router, XPublisher } from 'zeromq';

type Frames = readonly (Buffer | string | Uint8Array)[];

/**
 * A ZeroMQ socket whose sends wait for each other: the binding allows one send at a time, and order is what
 * the protocol is made of.
 */
export class QueuedSocket<S extends Router | XPublisher | Reply = Router | XPublisher | Reply> {
  #last: Promise<unknown> = Promise.resolve();
  #pendingBytes = 0;

  constructor(
    readonly socket: S,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Bytes handed to `send` that the transport has not taken yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Queues a message; resolves when the transport has taken it. A failed send is reported, never thrown. */
  send(frames: Frames): Promise<void> {
    let bytes = 0;
    for (const frame of frames) bytes += frame.length;
    this.#pendingBytes += bytes;
    const sent = this.#last
      .then(() => this.socket.send(frames as (Buffer | string)[]))
      .catch(this.onError)
      .then(() => {
        this.#pendingBytes -= bytes;
      });
    this.#last = sent;
    return sent;
  }

  /** Resolves when everything queued so far has been sent. */
  async drained(): Promise<void> {
    await this.#last;
  }
}
