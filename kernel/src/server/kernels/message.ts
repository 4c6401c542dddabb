import { randomUUID } from 'node:crypto';
import { isJsonObject, type JsonObject } from '../../json-object.js';
import type { Channel as AnyChannel } from '../../protocol/connection.js';
import { fromFrames, MessageRefused, type Signer, toFrames } from '../../protocol/frames.js';
import type { Header as AnyHeader } from '../../protocol/message.js';

/** The channels of a kernel that carry messages; the heartbeat is not needed for a child process. */
export type Channel = Exclude<AnyChannel, 'hb'>;

/** What the server looks at in a header. */
export type Header = Pick<AnyHeader, 'msg_id' | 'msg_type' | 'session'>;

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

/** What a JSON part of a message says; undefined where it is no JSON object, or longer than a string can be. */
export function parsePart(bytes: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The fields that the server looks at, with empty strings for those that are absent. */
export function parseHeader(bytes: Buffer): Header {
  const { msg_id, msg_type, session } = parsePart(bytes) ?? {};
  const text = (field: unknown) => (typeof field === 'string' ? field : '');
  return { msg_id: text(msg_id), msg_type: text(msg_type), session: text(session) };
}

/** The frames to send for a message. */
export function encodeMessage(
  { header, parent, metadata, content, buffers }: Message,
  signer: Signer,
): (Buffer | string)[] {
  return toFrames([], [header, parent, metadata, content], buffers, signer);
}

/**
 * The message in received frames, or undefined when they are malformed or carry another signature. Of the content nothing is
 * known yet: it may be large, and is looked into where that is necessary.
 */
export function decodeMessage(
  channel: Channel,
  frames: readonly Buffer[],
  signer: Signer,
): Message | undefined {
  try {
    const { parts, buffers } = fromFrames(frames, signer);
    const [header, parent, metadata, content] = parts;
    if (!parsePart(header) || !parsePart(parent)) return undefined;
    return { channel, header, parent, metadata, content, buffers };
  } catch (error) {
    if (error instanceof MessageRefused) return undefined;
    throw error;
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
