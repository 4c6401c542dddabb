import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { FoveaError } from '@fovea/engine/errors';
import {
  aFlag,
  aNumber,
  anObject,
  aText,
  aUint8Array,
  either,
  expectArgument,
  expectOptions,
  listOf,
} from '@fovea/engine/files';
import type { MimeBundle } from './bundle.js';
import { imageType } from './image-type.js';
import { DISPLAY } from './own-display.js';

/** A text, or what a template tag is given. */
const parts = listOf(aText, 'its parts');
const aSource = either(aText, {
  ...parts,
  holds: (value) => parts.holds(value) && (value as readonly string[]).length > 0,
});
const sizeKinds = { width: aNumber, height: aNumber };

/** A value that shows itself as what it was made for: the last line of a cell, or given to `display`. */
export class Rich {
  constructor(
    readonly data: Readonly<Record<string, unknown>>,
    readonly metadata: Readonly<Record<string, unknown>> = {},
  ) {
    expectArgument(data, anObject, 'Rich: data');
    expectArgument(metadata, anObject, 'Rich: metadata');
  }

  toMimeBundle(): MimeBundle {
    return { data: this.data, metadata: this.metadata };
  }

  /** For other kernels: the data alone. */
  [DISPLAY](): MimeBundle {
    return this.toMimeBundle();
  }
}

/** HTML. Also a template tag: html`<b>${name}</b>`, with what is filled in escaped. */
export function html(source: string | TemplateStringsArray, ...values: readonly unknown[]): Rich {
  const escaped = (value: unknown) =>
    value instanceof Rich
      ? String(value.data['text/html'] ?? '')
      : String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const text = join(source, values, escaped);
  return new Rich({ 'text/html': text, 'text/plain': text });
}

/** Markdown, as in a text cell. Also a template tag. */
export function markdown(source: string | TemplateStringsArray, ...values: readonly unknown[]): Rich {
  const text = join(source, values, String);
  return new Rich({ 'text/markdown': text, 'text/plain': text });
}

/** LaTeX; text without delimiters becomes a displayed formula. */
export function latex(source: string | TemplateStringsArray, ...values: readonly unknown[]): Rich {
  expectArgument(source, aSource, 'latex: source');
  const raw = typeof source === 'string' ? source : String.raw(source, ...values);
  const text = raw.includes('$') || raw.includes('\\begin') ? raw : `$$${raw}$$`;
  return new Rich({ 'text/latex': text, 'text/plain': raw });
}

/** A tree that can be unfolded. Values that JSON lacks (bigint, cycles) are shown as text. */
export function json(value: unknown, options: { readonly expanded?: boolean } = {}): Rich {
  const { expanded = false } = expectOptions(options, { expanded: aFlag }, 'json');
  const plain = toJson(value, []);
  return new Rich(
    { 'application/json': plain, 'text/plain': JSON.stringify(plain, undefined, 2) ?? 'undefined' },
    { 'application/json': { expanded } },
  );
}

/** Size at which an image is shown. */
export interface ImageOptions {
  /** CSS pixels. */
  readonly width?: number;
  readonly height?: number;
}

/** A PNG: its bytes, or base64 text. */
export function png(source: Uint8Array | string, options: ImageOptions = {}): Rich {
  expectArgument(source, either(aText, aUint8Array), 'png: source');
  expectOptions(options, sizeKinds, 'png');
  return picture('image/png', source, options);
}

/** An SVG drawing. Also a template tag. */
export function svg(source: string | TemplateStringsArray, ...values: readonly unknown[]): Rich {
  const text = join(source, values, String);
  return new Rich({
    'image/svg+xml': text,
    'text/plain': `SVG, ${text.length.toLocaleString('en')} characters`,
  });
}

/**
 * An image: the path of a file, or a file's bytes (PNG, JPEG, GIF, WebP or SVG).
 *
 * @throws FoveaError `io` when the file cannot be read, `bad-file` when it is no image that a browser shows
 */
export function image(source: string | Uint8Array, options: ImageOptions = {}): Rich {
  expectArgument(source, either(aText, aUint8Array), 'image: source');
  expectOptions(options, sizeKinds, 'image');
  let bytes: Uint8Array;
  if (typeof source === 'string') {
    try {
      bytes = readFileSync(source);
    } catch (error) {
      throw new FoveaError('io', `cannot read the image ${source}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  } else bytes = source;
  const type = imageType(bytes);
  if (type) return picture(type, bytes, options);
  const head = Buffer.from(bytes.subarray(0, 512)).toString('utf8');
  if (/^\s*(?:<\?xml|<svg|<!--)/.test(head) && /<svg/.test(head))
    return svg(Buffer.from(bytes).toString('utf8'));
  throw new FoveaError(
    'bad-file',
    `${typeof source === 'string' ? source : 'the bytes given'} are not a PNG, JPEG, GIF, WebP or SVG image`,
  );
}

function picture(type: string, source: Uint8Array | string, options: ImageOptions): Rich {
  const base64 =
    typeof source === 'string' ? source.replace(/^data:[^,]*,/, '') : Buffer.from(source).toString('base64');
  const text = `${type}, ${Math.floor((base64.length * 3) / 4).toLocaleString('en')} bytes`;
  return new Rich({ [type]: base64, 'text/plain': text }, { [type]: { ...options } });
}

function join(
  source: string | TemplateStringsArray,
  values: readonly unknown[],
  text: (value: unknown) => string,
): string {
  expectArgument(source, aSource, 'the source');
  if (typeof source === 'string') return source;
  return source.reduce((result, part, index) => result + text(values[index - 1]) + part);
}

function toJson(value: unknown, above: readonly unknown[]): unknown {
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value === 'function') return `[function ${value.name}]`;
  if (typeof value !== 'object' || value === null) return value;
  if (above.includes(value)) return '[circular]';
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return (value as { toJSON(): unknown }).toJSON();
  const inside = [...above, value];
  if (Array.isArray(value)) return value.map((item) => toJson(item, inside));
  if (ArrayBuffer.isView(value))
    return Array.from(value as unknown as ArrayLike<number>, (item) => toJson(item, inside));
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, item]) => [String(key), toJson(item, inside)]));
  if (value instanceof Set) return [...value].map((item) => toJson(item, inside));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item, inside)]));
}
