import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import type { MimeBundle } from './bundle.js';
import { errorLine } from './plain-text.js';

/** The name by which JavaScript kernels let values show themselves; Deno's among them. */
export const DISPLAY = Symbol.for('Jupyter.display');

const ownMethods = [DISPLAY, 'toMimeBundle', '_toMime', '_repr_mimebundle_'] as const;
const singleMethods: Readonly<Record<string, string>> = {
  _toHtml: 'text/html',
  _toSvg: 'image/svg+xml',
  _toPng: 'image/png',
  _toJpeg: 'image/jpeg',
  _toMd: 'text/markdown',
};

/** A value's own display, and the reasons why parts of it failed. */
export interface OwnDisplay extends MimeBundle {
  readonly problems: readonly string[];
}

/** A property of a value of which nothing is known: `undefined` where reading it throws, as with some proxies. */
export function peek(value: object, name: string | symbol): unknown {
  try {
    return (value as Record<string | symbol, unknown>)[name];
  } catch {
    return undefined;
  }
}

/**
 * Asks a value for its own representations; `undefined` when it has no method for it.
 *
 * @returns a promise only when one of the value's methods gives one
 * @throws whatever the value's method throws
 */
export function ownBundle(value: object): OwnDisplay | Promise<OwnDisplay> | undefined {
  for (const name of ownMethods) {
    const method = peek(value, name);
    if (typeof method !== 'function') continue;
    const answer: unknown = method.call(value);
    return types.isPromise(answer) ? answer.then(readBundle) : readBundle(answer);
  }
  const problems: string[] = [];
  const found: (readonly [type: string, data: unknown])[] = [];
  for (const [name, type] of Object.entries(singleMethods)) {
    const method = peek(value, name);
    if (typeof method !== 'function') continue;
    const failed = (error: unknown) => problems.push(`${name} failed: ${errorLine(error)}`);
    try {
      const data: unknown = method.call(value);
      found.push([type, types.isPromise(data) ? data.catch((error: unknown) => void failed(error)) : data]);
    } catch (error) {
      failed(error);
    }
  }
  if (found.length === 0 && problems.length === 0) return undefined;
  const settled = (entries: typeof found): OwnDisplay => ({ ...bundleOf(entries), problems });
  return found.some(([, data]) => types.isPromise(data))
    ? Promise.all(found.map(async ([type, data]) => [type, await data] as const)).then(settled)
    : settled(found);
}

/** Data by MIME type, in which bytes are base64. */
function bundleOf(entries: readonly (readonly [string, unknown])[]): MimeBundle {
  const present = entries.filter(([, data]) => data !== undefined && data !== null);
  return {
    data: Object.fromEntries(
      present.map(([type, data]) => [type, types.isUint8Array(data) ? base64(data) : data]),
    ),
    metadata: {},
  };
}

/** Accepts `{data, metadata}`, `[data, metadata]` and bare data by MIME type; bytes become base64. */
function readBundle(answer: unknown): OwnDisplay {
  if (typeof answer === 'string') return { data: { 'text/plain': answer }, metadata: {}, problems: [] };
  if (typeof answer !== 'object' || answer === null)
    throw new TypeError(`it returned ${answer === null ? 'null' : typeof answer}, not a MIME bundle`);
  const isPair = Array.isArray(answer);
  const { data, metadata } = isPair
    ? { data: answer[0] as unknown, metadata: answer[1] as unknown }
    : (answer as { data?: unknown; metadata?: unknown });
  const wrapped =
    typeof data === 'object' &&
    data !== null &&
    (isPair || !Object.keys(answer).some((key) => key.includes('/')));
  return {
    ...bundleOf(Object.entries(wrapped ? data : answer)),
    ...(wrapped && typeof metadata === 'object' && metadata !== null
      ? { metadata: metadata as Record<string, unknown> }
      : {}),
    problems: [],
  };
}

/** Bytes in the form that a MIME bundle has. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
