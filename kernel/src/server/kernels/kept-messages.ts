import type { Message } from './message.js';

const KEPT_BYTES = 16 * 2 ** 20;

/** Messages that may have to be delivered later or once more, up to a limit of bytes; what goes beyond is lost. */
export class KeptMessages {
  private messages: Message[] = [];
  private bytes = 0;

  /** How many messages are kept. */
  get length(): number {
    return this.messages.length;
  }

  /** Keeps a message, if there is room. */
  add(message: Message): void {
    const size = sizeOf(message);
    if (this.bytes + size > KEPT_BYTES) return;
    this.bytes += size;
    this.messages.push(message);
  }

  /** Drops the oldest messages. */
  dropFirst(count: number): void {
    for (const message of this.messages.splice(0, count)) this.bytes -= sizeOf(message);
  }

  /** Drops all messages. */
  clear(): void {
    this.messages = [];
    this.bytes = 0;
  }

  /** The messages, the oldest first. */
  [Symbol.iterator](): Iterator<Message> {
    return this.messages[Symbol.iterator]();
  }
}

function sizeOf({ header, parent, content, buffers }: Message): number {
  return [header, parent, content, ...buffers].reduce((sum, part) => sum + part.length, 0);
}
