import { randomUUID } from 'node:crypto';
import { isJsonObject, type JsonObject } from '../json-object.js';
import { fromFrames, MessageRefused, type Signer, toFrames } from './frames.js';

export const PROTOCOL_VERSION = '5.5';

export interface Header {
  readonly msg_id: string;
  readonly session: string;
  readonly username: string;
  readonly date: string;
  readonly msg_type: string;
  readonly version: string;
  /** Set by clients that address a subshell (JEP 91). */
  readonly subshell_id?: string | null;
}

/** One message of the Jupyter protocol, as it came or as it goes. */
export interface Message {
  /** Routing frames in front of the delimiter. */
  readonly identities: readonly Buffer[];
  readonly header: Header;
  readonly parentHeader: Partial<Header>;
  readonly metadata: JsonObject;
  readonly content: JsonObject;
  readonly buffers: readonly Uint8Array[];
}

/** Refuses messages that are received a second time, by their signatures, of which it keeps the latest 65,536. */
export class ReplayGuard {
  readonly #seen = new Set<string>();

  /** @throws MessageRefused when the signature was seen before */
  pass(signature: Buffer): void {
    const text = signature.toString('latin1');
    if (this.#seen.has(text)) throw new MessageRefused('it was received before (replayed signature)');
    this.#seen.add(text);
    // By hand, since an LRU cache of this size takes its room, a megabyte and more, before the first message.
    if (this.#seen.size > 65_536) {
      let drop = 8192;
      for (const old of this.#seen) {
        this.#seen.delete(old);
        if (--drop === 0) break;
      }
    }
  }
}

/** A fresh header for a message of this kernel. */
export function header(type: string, session: string): Header {
  return {
    msg_id: randomUUID(),
    session,
    username: 'kernel',
    date: new Date().toISOString(),
    msg_type: type,
    version: PROTOCOL_VERSION,
  };
}

/** What `encode` needs; parent, metadata and buffers are empty by default. */
export interface Outgoing {
  readonly identities: readonly (Buffer | string)[];
  readonly header: Header;
  readonly content: unknown;
  readonly parentHeader?: Partial<Header>;
  readonly metadata?: JsonObject;
  readonly buffers?: readonly Uint8Array[];
}

/** The frames of a message: identities, delimiter, signature, four JSON frames, buffers. */
export function encode(message: Outgoing, signer: Signer): (Buffer | string | Uint8Array)[] {
  const parts = [
    JSON.stringify(message.header),
    JSON.stringify(message.parentHeader ?? {}),
    JSON.stringify(message.metadata ?? {}),
    JSON.stringify(message.content),
  ] as const;
  return toFrames(message.identities, parts, message.buffers ?? [], signer);
}

function parseObject(frame: Buffer, name: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(frame.toString('utf8'));
  } catch (error) {
    throw new MessageRefused(`its ${name} is not JSON (${(error as Error).message})`);
  }
  if (!isJsonObject(value)) throw new MessageRefused(`its ${name} is not a JSON object`);
  return value;
}

/**
 * Takes the frames of a message apart.
 *
 * @throws MessageRefused for anything but a well-formed, correctly signed message that was not seen before.
 */
export function decode(frames: readonly Buffer[], signer: Signer, replays: ReplayGuard): Message {
  const { identities, signature, parts, buffers } = fromFrames(frames, signer);
  if (signer.signs) replays.pass(signature);
  const [head, parent, metadata, content] = parts;
  const header = parseObject(head, 'header');
  for (const field of ['msg_id', 'msg_type']) {
    if (typeof header[field] !== 'string') throw new MessageRefused(`its header has no ${field}`);
  }
  return {
    identities,
    header: header as unknown as Header,
    parentHeader: parseObject(parent, 'parent_header') as Partial<Header>,
    metadata: parseObject(metadata, 'metadata'),
    content: parseObject(content, 'content'),
    buffers,
  };
}
