import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { isJsonObject, type JsonObject } from '../../json-object.js';
import { HttpError } from './errors.js';

/** Largest body of an ordinary API request, in bytes. */
export const SMALL_BODY_BYTES = 10 * 2 ** 20;
/** Largest body of a request that saves a file, in bytes; the front end cuts larger files into chunks. */
export const FILE_BODY_BYTES = 512 * 2 ** 20;

/** How long a body may take: a grace period, and the time that what has arrived takes at the slowest rate accepted. */
export interface BodyPace {
  readonly graceMs: number;
  readonly bytesPerSecond: number;
}

/** Spares a long upload over a slow line, but not a client that holds a connection with a byte now and then. */
export const BODY_PACE: BodyPace = { graceMs: 30_000, bytesPerSecond: 1024 };

/**
 * Reads a request's whole body.
 * @throws HttpError 413 as soon as more than `limitBytes` are announced or have arrived, 408 when it comes too
 *   slowly or stops coming
 */
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
  pace: BodyPace = BODY_PACE,
): Promise<Buffer> {
  const tooLarge = () => new HttpError(413, `The request is larger than ${limitBytes} bytes`);
  const tooSlow = () => new HttpError(408, 'The request took too long to arrive');
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const chunks: Buffer[] = [];
    let bytes = 0;
    let afterReading: NodeJS.Immediate | undefined;
    const leftMs = () => pace.graceMs + (bytes / pace.bytesPerSecond) * 1000 - (performance.now() - started);
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limitBytes) fail(tooLarge());
      else chunks.push(chunk);
    };
    const leave = () => {
      clearTimeout(timer);
      clearImmediate(afterReading);
      request.off('data', onData);
    };
    const fail = (error: Error) => {
      leave();
      request.pause();
      reject(error);
    };
    const check = () => {
      if (leftMs() > 0) timer = setTimeout(check, leftMs());
      // What arrived while the process was busy is read first: timers that are due run before that.
      else afterReading = setImmediate(() => (leftMs() > 0 ? check() : fail(tooSlow())));
    };
    let timer = setTimeout(check, leftMs());
    request.on('data', onData);
    request.once('end', () => {
      leave();
      resolve(Buffer.concat(chunks));
    });
    request.once('close', () => fail(new HttpError(400, 'The request was cut off')));
    request.once('error', fail);
  });
}

/**
 * Reads a JSON object from a request's body.
 * @throws HttpError 400 for anything but a JSON object in UTF-8, 408 and 413 as readBody
 */
export async function readJson(
  request: IncomingMessage,
  limitBytes: number = SMALL_BODY_BYTES,
): Promise<JsonObject> {
  const body = await readOptionalJson(request, limitBytes);
  if (!body) throw new HttpError(400, 'The body is missing: a JSON object is expected');
  return body;
}

/** As readJson, where a body may be absent or `null`: for requests that only ask for something new. */
export async function readOptionalJson(
  request: IncomingMessage,
  limitBytes: number = SMALL_BODY_BYTES,
): Promise<JsonObject | undefined> {
  const bytes = await readBody(request, limitBytes);
  if (!isUtf8(bytes)) throw new HttpError(400, 'The body is not UTF-8 encoded');
  const text = bytes.toString('utf8');
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpError(400, 'The body is not valid JSON');
  }
  if (value === null) return undefined;
  if (!isJsonObject(value)) throw new HttpError(400, 'The body must be a JSON object');
  return value;
}

/** Whether text can be written as UTF-8: half of a surrogate pair would be replaced silently. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/**
 * A field of a body that must be a string when it is there.
 * @throws HttpError 400 for another type, and for text that no file can hold
 */
export function stringField(body: JsonObject, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new HttpError(400, `${name} must be a string`);
  if (!isWellFormed(value)) throw new HttpError(400, `${name} holds half of a surrogate pair`);
  return value;
}

/** A field of a body that must be an object when it is there. */
export function objectField(body: JsonObject, name: string): JsonObject | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw new HttpError(400, `${name} must be an object`);
  return value;
}
