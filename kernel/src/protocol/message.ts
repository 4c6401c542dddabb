import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { FoveaError } from '@fovea/engine/errors';

export const PROTOCOL_VERSION = '5.5';
const DELIMITER = Buffer.from('<IDS|MSG>');

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

export type Json = Record<string, unknown>;

/** One message of the Jupyter protocol, as it came or as it goes. */
export interface Message {
  /** Routing frames in front of the delimiter. */
  readonly identities: readonly Buffer[];
  readonly header: Header;
  readonly parentHeader: Partial<Header>;
  readonly metadata: Json;
  readonly content: Json;
  readonly buffers: readonly Uint8Array[];
}

/** Why a message was dropped; the kernel logs `message` and goes on. */
export class MessageRefused extends Error {
  override readonly name = 'MessageRefused';
}

/** Signs and checks the four JSON frames of a message (HMAC, timing-safe), and refuses replayed ones. */
export class Signer {
  readonly #seen = new Set<string>();

  /** @throws FoveaError `unsupported` for a scheme whose hash this Node cannot compute. */
  constructor(
    private readonly key: string,
    scheme = 'hmac-sha256',
  ) {
    this.hash = scheme.replace(/^hmac-/, '');
    try {
      createHmac(this.hash, key);
    } catch (error) {
      throw new FoveaError('unsupported', `signature_scheme ${scheme} is not supported; use hmac-sha256`, {
        cause: error,
      });
    }
  }

  private readonly hash: string;

  /** Hexadecimal signature of the frames, empty when the connection has no key. */
  sign(frames: readonly (string | Uint8Array)[]): string {
    if (this.key === '') return '';
    const hmac = createHmac(this.hash, this.key);
    for (const frame of frames) hmac.update(frame);
    return hmac.digest('hex');
  }

  /** @throws MessageRefused when the signature does not fit, or was seen before. */
  check(signature: Buffer, frames: readonly Buffer[]): void {
    if (this.key === '') return;
    const wanted = Buffer.from(this.sign(frames), 'latin1');
    if (signature.length !== wanted.length || !timingSafeEqual(signature, wanted)) {
      throw new MessageRefused('its signature does not match the key of the connection file');
    }
    const text = wanted.toString('latin1');
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
  readonly metadata?: Json;
  readonly buffers?: readonly Uint8Array[];
}

/** The frames of a message: identities, delimiter, signature, four JSON frames, buffers. */
export function encode(message: Outgoing, signer: Signer): (Buffer | string | Uint8Array)[] {
  const frames = [message.header, message.parentHeader ?? {}, message.metadata ?? {}, message.content].map(
    (part) => JSON.stringify(part),
  );
  return [...message.identities, DELIMITER, signer.sign(frames), ...frames, ...(message.buffers ?? [])];
}

function parseObject(frame: Buffer, name: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(frame.toString('utf8'));
  } catch (error) {
    throw new MessageRefused(`its ${name} is not JSON (${(error as Error).message})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MessageRefused(`its ${name} is not a JSON object`);
  }
  return value as Json;
}

/**
 * Takes the frames of a message apart.
 *
 * @throws MessageRefused for anything but a well-formed, correctly signed message that was not seen before.
 */
export function decode(frames: readonly Buffer[], signer: Signer): Message {
  const at = frames.findIndex((frame) => frame.equals(DELIMITER));
  if (at < 0) throw new MessageRefused('it has no <IDS|MSG> delimiter');
  if (frames.length < at + 6) {
    throw new MessageRefused(
      `it has ${frames.length - at - 1} frames after the delimiter; at least 5 are needed`,
    );
  }
  const signed = frames.slice(at + 2, at + 6);
  signer.check(frames[at + 1]!, signed);
  const head = parseObject(signed[0]!, 'header');
  for (const field of ['msg_id', 'msg_type']) {
    if (typeof head[field] !== 'string') throw new MessageRefused(`its header has no ${field}`);
  }
  return {
    identities: frames.slice(0, at),
    header: head as unknown as Header,
    parentHeader: parseObject(signed[1]!, 'parent_header') as Partial<Header>,
    metadata: parseObject(signed[2]!, 'metadata'),
    content: parseObject(signed[3]!, 'content'),
    buffers: frames.slice(at + 6),
  };
}
