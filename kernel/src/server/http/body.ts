import type { IncomingMessage } from 'node:http';
import { HttpError } from './errors.js';

/** Largest body of an ordinary API request, in bytes. */
export const SMALL_BODY_BYTES = 10 * 2 ** 20;
/** Largest body of a request that saves a file, in bytes; the front end cuts larger files into chunks. */
export const FILE_BODY_BYTES = 512 * 2 ** 20;

/**
 * Reads a request's whole body.
 * @throws HttpError 413 as soon as more than `limitBytes` are announced or have arrived
 */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const tooLarge = () => new HttpError(413, `The request is larger than ${limitBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limitBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Reads a JSON object from a request's body; an absent body counts as `{}`.
 * @throws HttpError 400 for anything but a JSON object, 413 past `limitBytes`
 */
export async function readJson(
  request: IncomingMessage,
  limitBytes: number = SMALL_BODY_BYTES,
): Promise<Record<string, unknown>> {
  const text = (await readBody(request, limitBytes)).toString('utf8');
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpError(400, 'The body is not valid JSON');
  }
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new HttpError(400, 'The body must be a JSON object');
  }
  return value as Record<string, unknown>;
}

/** A field of a body that must be a string when it is there. */
export function stringField(body: Record<string, unknown>, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new HttpError(400, `${name} must be a string`);
  return value;
}

/** A field of a body that must be an object when it is there. */
export function objectField(
  body: Record<string, unknown>,
  name: string,
): Record<string, unknown> | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value))
    throw new HttpError(400, `${name} must be an object`);
  return value as Record<string, unknown>;
}
