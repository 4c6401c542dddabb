import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

/** The channels of a kernel that carry messages; the heartbeat is not needed for a child process. */
export type Channel = 'shell' | 'control' | 'stdin' | 'iopub';

/** What the server looks at in a header. */
export interface Header {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly session: string;
}

/**
 * A message of the Jupyter protocol on its way through the server. The JSON parts stay the bytes that they came
 * as: nearly all messages are passed on without a look inside.
 */
export interface Message {
  readonly channel: Channel;
  readonly header: Buffer;
  readonly parent: Buffer;
  readonly metadata: Buffer;
  readonly content: Buffer;
  readonly buffers: readonly Buffer[];
}

const DELIMITER = Buffer.from('<IDS|MSG>');

/** The fields that the server looks at, with empty strings for those that are absent. */
export function parseHeader(bytes: Buffer): Header {
  const value = JSON.parse(bytes.toString('utf8')) as Partial<Header> | null;
  const text = (field: unknown) => (typeof field === 'string' ? field : '');
  return { msg_id: text(value?.msg_id), msg_type: text(value?.msg_type), session: text(value?.session) };
}

/** Signs and checks messages with the key of one connection. */
export class Signer {
  constructor(private readonly key: string) {}

  private sign(parts: readonly Buffer[]): string {
    const hmac = createHmac('sha256', this.key);
    for (const part of parts) hmac.update(part);
    return hmac.digest('hex');
  }

  /** The frames to send. */
  toFrames(message: Message): Buffer[] {
    const parts = [message.header, message.parent, message.metadata, message.content];
    return [DELIMITER, Buffer.from(this.sign(parts)), ...parts, ...message.buffers];
  }

  /** The message in received frames, or undefined when they are malformed or carry another signature. */
  fromFrames(channel: Channel, frames: readonly Buffer[]): Message | undefined {
    const start = frames.findIndex((frame) => frame.equals(DELIMITER));
    const [signature, header, parent, metadata, content, ...buffers] = frames.slice(start + 1);
    if (start < 0 || !signature || !header || !parent || !metadata || !content) return undefined;
    const expected = Buffer.from(this.sign([header, parent, metadata, content]));
    if (expected.length !== signature.length || !timingSafeEqual(expected, signature)) return undefined;
    return { channel, header, parent, metadata, content, buffers };
  }
}

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** Makes messages that come from the server itself. */
export class MessageFactory {
  private readonly session = randomUUID();

  /** @param parent header of the message that this one belongs to, as it came */
  create(channel: Channel, type: string, content: unknown, parent: Buffer = bytes({})): Message {
    const header = {
      msg_id: randomUUID(),
      msg_type: type,
      session: this.session,
      username: 'fovea-server',
      date: new Date().toISOString(),
      version: '5.4',
    };
    return {
      channel,
      header: bytes(header),
      parent,
      metadata: bytes({}),
      content: bytes(content),
      buffers: [],
    };
  }
}
