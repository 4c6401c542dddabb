import { createHmac, timingSafeEqual } from 'node:crypto';
import { FoveaError } from '@fovea/engine/errors';

const DELIMITER = Buffer.from('<IDS|MSG>');

/** The JSON parts of a message, in the order in which they are sent and signed. */
export type Parts<T> = readonly [header: T, parent: T, metadata: T, content: T];

/** A message's frames on the wire, by what they are. */
export interface Frames {
  /** Routing frames in front of the delimiter. */
  readonly identities: readonly Buffer[];
  readonly signature: Buffer;
  readonly parts: Parts<Buffer>;
  readonly buffers: readonly Buffer[];
}

/** Why a message was dropped; the kernel logs `message` and goes on. */
export class MessageRefused extends Error {
  override readonly name = 'MessageRefused';
}

/** Signs the four JSON parts of messages with the key of a connection, and checks their signatures (HMAC). */
export class Signer {
  readonly #key: string;
  readonly #hash: string;

  /**
   * @param key empty where messages are not signed
   * @throws FoveaError `unsupported` for a scheme whose hash this Node cannot compute.
   */
  constructor(key: string, scheme = 'hmac-sha256') {
    this.#key = key;
    this.#hash = scheme.replace(/^hmac-/, '');
    try {
      createHmac(this.#hash, key);
    } catch (error) {
      throw new FoveaError('unsupported', `signature_scheme ${scheme} is not supported; use hmac-sha256`, {
        cause: error,
      });
    }
  }

  /** Whether the connection has a key. */
  get signs(): boolean {
    return this.#key !== '';
  }

  /** Hexadecimal signature of the parts, empty when the connection has no key. */
  sign(parts: Parts<string | Uint8Array>): string {
    if (!this.signs) return '';
    const hmac = createHmac(this.#hash, this.#key);
    for (const part of parts) hmac.update(part);
    return hmac.digest('hex');
  }

  /** Whether a signature is that of the parts, compared in constant time; any is when the connection has no key. */
  accepts(signature: Buffer, parts: Parts<Buffer>): boolean {
    if (!this.signs) return true;
    const wanted = Buffer.from(this.sign(parts), 'latin1');
    return signature.length === wanted.length && timingSafeEqual(signature, wanted);
  }
}

/** The frames to send: identities, delimiter, signature, four JSON parts, buffers. */
export function toFrames<T extends string | Uint8Array, B extends Uint8Array>(
  identities: readonly (Buffer | string)[],
  parts: Parts<T>,
  buffers: readonly B[],
  signer: Signer,
): (Buffer | string | T | B)[] {
  return [...identities, DELIMITER, signer.sign(parts), ...parts, ...buffers];
}

/**
 * Takes received frames apart.
 * @throws MessageRefused when frames are missing, or the signature is not that of the JSON parts
 */
export function fromFrames(frames: readonly Buffer[], signer: Signer): Frames {
  const at = frames.findIndex((frame) => frame.equals(DELIMITER));
  if (at < 0) throw new MessageRefused('it has no <IDS|MSG> delimiter');
  const [signature, header, parent, metadata, content, ...buffers] = frames.slice(at + 1);
  if (!signature || !header || !parent || !metadata || !content) {
    throw new MessageRefused(
      `it has ${frames.length - at - 1} frames after the delimiter; at least 5 are needed`,
    );
  }
  const parts = [header, parent, metadata, content] as const;
  if (!signer.accepts(signature, parts)) {
    throw new MessageRefused('its signature does not match the key of the connection file');
  }
  return { identities: frames.slice(0, at), signature, parts, buffers };
}
