import type { Message } from './message.js';

const KEPT_BYTES = 16 * 2 ** 20;

/** Messages that may have to be delivered later or once more, up to a limit of bytes; what goes beyond is lost. */
export class KeptMessages {
  private messages: Message[] = [];
  private bytes = 0;
  private dropped = 0;

  /** How many messages are kept. */
  get length(): number {
    return this.messages.length;
  }

  /** Marks the place behind the newest message; it stays valid whatever is added or dropped later. */
  get end(): number {
    return this.dropped + this.messages.length;
  }

  /** Keeps a message, if there is room. */
  add(message: Message): void {
    const size = sizeOf(message);
    if (this.bytes + size > KEPT_BYTES) return;
    this.bytes += size;
    this.messages.push(message);
  }

  /**
   * Drops the messages that were kept when a mark was taken, as far as they are still there.
   * @param end what `end` was then
   */
  dropUntil(end: number): void {
    const gone = this.messages.splice(0, Math.max(0, end - this.dropped));
    this.dropped += gone.length;
    for (const message of gone) this.bytes -= sizeOf(message);
  }

  /** Drops some messages, wherever they are; marks mean nothing afterwards. */
  dropThose(which: (message: Message) => boolean): void {
    this.messages = this.messages.filter((message) => !which(message));
    this.bytes = this.messages.reduce((sum, message) => sum + sizeOf(message), 0);
  }

  /** Drops all messages. */
  clear(): void {
    this.dropUntil(this.end);
  }

  /** The messages, the oldest first. */
  [Symbol.iterator](): Iterator<Message> {
    return this.messages[Symbol.iterator]();
  }
}

function sizeOf({ header, parent, content, buffers }: Message): number {
  return [header, parent, content, ...buffers].reduce((sum, part) => sum + part.length, 0);
}
