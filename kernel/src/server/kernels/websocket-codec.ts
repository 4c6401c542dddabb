import { isJsonObject, type JsonObject } from '../../json-object.js';
import { HttpError } from '../http/errors.js';
import { isRequestChannel } from './clients.js';
import type { Message } from './message.js';

/** The subprotocol in which every message is one binary frame with an offset table. */
export const V1_PROTOCOL = 'v1.kernel.websocket.jupyter.org';

const malformed = () => new HttpError(400, 'Malformed message');

function checkedObject(bytes: Buffer): Buffer {
  const value: unknown = JSON.parse(bytes.length > 0 ? bytes.toString('utf8') : '{}');
  if (!isJsonObject(value)) throw malformed();
  return bytes.length > 0 ? bytes : Buffer.from('{}');
}

/** Checks a front end's message: an accepted channel, JSON objects, and a header that can be answered. */
function request(
  channel: unknown,
  parts: readonly [header: Buffer, parent: Buffer, metadata: Buffer, content: Buffer],
  buffers: readonly Buffer[],
): Message {
  if (!isRequestChannel(channel)) throw malformed();
  const [header, parent, metadata, content] = parts.map(checkedObject) as [Buffer, Buffer, Buffer, Buffer];
  const { msg_id, msg_type } = JSON.parse(header.toString('utf8')) as JsonObject;
  if (typeof msg_id !== 'string' || typeof msg_type !== 'string') throw malformed();
  return { channel, header, parent, metadata, content, buffers };
}

/** Encodes for `v1.kernel.websocket.jupyter.org`: little-endian 64-bit count and offsets, then the parts. */
export function encodeV1(message: Message): Buffer {
  const { channel, header, parent, metadata, content, buffers } = message;
  const parts = [Buffer.from(channel), header, parent, metadata, content, ...buffers];
  const table = Buffer.alloc(8 * (parts.length + 2));
  table.writeBigUInt64LE(BigInt(parts.length + 1), 0);
  let offset = table.length;
  table.writeBigUInt64LE(BigInt(offset), 8);
  parts.forEach((part, index) => {
    offset += part.length;
    table.writeBigUInt64LE(BigInt(offset), 8 * (index + 2));
  });
  return Buffer.concat([table, ...parts]);
}

/**
 * Decodes a frame of `v1.kernel.websocket.jupyter.org`.
 * @throws HttpError or SyntaxError for anything that is no message
 */
export function decodeV1(data: Buffer): Message {
  if (data.length < 8) throw malformed();
  const count = Number(data.readBigUInt64LE(0));
  if (count < 6 || count > 65_536 || data.length < 8 * (count + 1)) throw malformed();
  const offsets = Array.from({ length: count }, (_, index) => Number(data.readBigUInt64LE(8 * (index + 1))));
  const ordered = offsets.every((offset, index) => offset >= (offsets[index - 1] ?? 8 * (count + 1)));
  if (!ordered || offsets.at(-1)! > data.length) throw malformed();
  const part = (index: number) => data.subarray(offsets[index]!, offsets[index + 1]!);
  const buffers = Array.from({ length: count - 6 }, (_, index) => part(index + 5));
  return request(part(0).toString('utf8'), [part(1), part(2), part(3), part(4)], buffers);
}

/** Encodes for clients without a subprotocol: JSON text, or with buffers a big-endian offset table and parts. */
export function encodeLegacy(message: Message): Buffer | string {
  const text = [
    `{"channel":${JSON.stringify(message.channel)}`,
    `"header":${message.header.toString('utf8')}`,
    `"parent_header":${message.parent.toString('utf8')}`,
    `"metadata":${message.metadata.toString('utf8')}`,
    `"content":${message.content.toString('utf8')}`,
    `"buffers":[]}`,
  ].join(',');
  if (message.buffers.length === 0) return text;
  const parts = [Buffer.from(text), ...message.buffers];
  const table = Buffer.alloc(4 * (parts.length + 1));
  table.writeUInt32BE(parts.length, 0);
  let offset = table.length;
  parts.forEach((part, index) => {
    table.writeUInt32BE(offset, 4 * (index + 1));
    offset += part.length;
  });
  return Buffer.concat([table, ...parts]);
}

/**
 * Decodes what a client without a subprotocol sent.
 * @throws HttpError or SyntaxError for anything that is no message
 */
export function decodeLegacy(data: Buffer, isBinary: boolean): Message {
  let json = data;
  let buffers: Buffer[] = [];
  if (isBinary) {
    const count = data.length >= 4 ? data.readUInt32BE(0) : 0;
    if (count < 1 || count > 65_536 || data.length < 4 * (count + 1)) throw malformed();
    const offsets = Array.from({ length: count }, (_, index) => data.readUInt32BE(4 * (index + 1)));
    const ends = [...offsets.slice(1), data.length];
    const ordered = offsets.every((offset, index) => offset >= 4 * (count + 1) && offset <= ends[index]!);
    if (!ordered) throw malformed();
    const parts = offsets.map((offset, index) => data.subarray(offset, ends[index]));
    json = parts[0]!;
    buffers = parts.slice(1);
  }
  const value = JSON.parse(json.toString('utf8')) as JsonObject | null;
  if (typeof value !== 'object' || value === null) throw malformed();
  const bytes = (field: string) => Buffer.from(JSON.stringify(value[field] ?? {}));
  const parts = [bytes('header'), bytes('parent_header'), bytes('metadata'), bytes('content')] as const;
  return request(value.channel ?? 'shell', parts, buffers);
}
