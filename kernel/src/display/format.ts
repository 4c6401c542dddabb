import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';
import type { MimeBundle } from './bundle.js';
import { imageType } from './image-type.js';
import { recordsTable } from './records.js';
import { isNumericArray, numericBundle } from './typed-array.js';

/** The name by which JavaScript kernels let values show themselves; Deno's among them. */
export const DISPLAY = Symbol.for('Jupyter.display');

/** Says how values of some kind are shown; `undefined` for all others. */
export type Formatter = (value: unknown) => MimeBundle | undefined;

const formatters: Formatter[] = [];

/** Adds a formatter; those added later are asked first, but after what a value says of itself. */
export function registerFormatter(formatter: Formatter): void {
  formatters.unshift(formatter);
}

/** Longest text representation, characters. */
const TEXT_LIMIT = 200_000;

/**
 * Text of any value, without colour. Never throws: what a value's own inspection does wrong is said in
 * the text.
 */
export function plainText(value: unknown): string {
  try {
    const text = inspect(value, {
      colors: false,
      depth: 4,
      maxArrayLength: 100,
      maxStringLength: TEXT_LIMIT / 2,
      breakLength: 100,
    });
    return text.length > TEXT_LIMIT
      ? `${text.slice(0, TEXT_LIMIT)}… (${text.length.toLocaleString('en')} characters)`
      : text;
  } catch (error) {
    return `[a value that cannot be shown: ${message(error)}]`;
  }
}

/**
 * The representations of a value: its own (`Symbol.for('Jupyter.display')`, `toMimeBundle`, `_toMime`), a
 * registered formatter's, or one by its shape. Always has `text/plain`, and never throws.
 *
 * @returns a promise only when the value's own method gives one
 */
export function formatValue(value: unknown): MimeBundle | Promise<MimeBundle> {
  try {
    const own = ownBundle(value);
    if (own instanceof Promise)
      return own.then(
        (bundle) => complete(bundle, value),
        (error: unknown) => failed(error, value),
      );
    return complete(own ?? shapeBundle(value), value);
  } catch (error) {
    return failed(error, value);
  }
}

function failed(error: unknown, value: unknown): MimeBundle {
  return {
    data: { 'text/plain': `${plainText(value)}\n[its display failed: ${message(error)}]` },
    metadata: {},
  };
}

function message(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return 'an error that cannot be shown';
  }
}

function complete(bundle: MimeBundle | undefined, value: unknown): MimeBundle {
  if (bundle && typeof bundle.data['text/plain'] === 'string') return bundle;
  return { data: { ...bundle?.data, 'text/plain': plainText(value) }, metadata: bundle?.metadata ?? {} };
}

const ownMethods = [DISPLAY, 'toMimeBundle', '_toMime', '_repr_mimebundle_'] as const;
const singleMethods: Readonly<Record<string, string>> = {
  _toHtml: 'text/html',
  _toSvg: 'image/svg+xml',
  _toPng: 'image/png',
  _toJpeg: 'image/jpeg',
  _toMd: 'text/markdown',
};

/** What the value says of itself. */
function ownBundle(value: unknown): MimeBundle | Promise<MimeBundle> | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  const object = value as Record<string | symbol, unknown>;
  for (const name of ownMethods) {
    const method = object[name];
    if (typeof method !== 'function') continue;
    const answer: unknown = method.call(value);
    return answer instanceof Promise ? answer.then(readBundle) : readBundle(answer);
  }
  const data: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(singleMethods)) {
    const method = object[name];
    if (typeof method === 'function') data[type] = method.call(value);
  }
  return Object.keys(data).length > 0 ? { data, metadata: {} } : undefined;
}

/** Accepts `{data, metadata}`, `[data, metadata]` and bare data by MIME type; bytes become base64. */
function readBundle(answer: unknown): MimeBundle {
  if (typeof answer === 'string') return { data: { 'text/plain': answer }, metadata: {} };
  if (typeof answer !== 'object' || answer === null)
    throw new TypeError(`it returned ${typeof answer}, not a MIME bundle`);
  const isPair = Array.isArray(answer);
  const { data, metadata } = isPair
    ? { data: answer[0] as unknown, metadata: answer[1] as unknown }
    : (answer as { data?: unknown; metadata?: unknown });
  const wrapped =
    typeof data === 'object' &&
    data !== null &&
    (isPair || !Object.keys(answer).some((key) => key.includes('/')));
  const source = (wrapped ? data : answer) as Record<string, unknown>;
  const entries = Object.entries(source).map(([type, item]) => [
    type,
    item instanceof Uint8Array ? base64(item) : item,
  ]);
  return {
    data: Object.fromEntries(entries) as Record<string, unknown>,
    metadata:
      wrapped && typeof metadata === 'object' && metadata !== null
        ? (metadata as Record<string, unknown>)
        : {},
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** What can be shown better than as text, by its shape. */
function shapeBundle(value: unknown): MimeBundle | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const formatter of formatters) {
    const bundle = formatter(value);
    if (bundle) return bundle;
  }
  if (value instanceof Uint8Array) {
    const type = imageType(value);
    if (type) {
      const text = `${type}, ${value.length.toLocaleString('en')} bytes`;
      return { data: { [type]: base64(value), 'text/plain': text }, metadata: {} };
    }
  }
  if (isNumericArray(value)) return numericBundle(value);
  if (Array.isArray(value)) return recordsTable(value, plainText);
  const { outerHTML } = value as { outerHTML?: unknown };
  if (typeof outerHTML === 'string') return { data: { 'text/html': outerHTML }, metadata: {} };
  if (isPlotly(value)) return { data: { 'application/vnd.plotly.v1+json': value }, metadata: {} };
  return undefined;
}

/** A figure as plotly.js takes it: traces and a layout. */
function isPlotly(value: object): boolean {
  const { data, layout } = value as { data?: unknown; layout?: unknown };
  return (
    Array.isArray(data) &&
    data.length > 0 &&
    typeof layout === 'object' &&
    layout !== null &&
    data.every(
      (trace: unknown) => typeof trace === 'object' && trace !== null && ('type' in trace || 'y' in trace),
    )
  );
}
