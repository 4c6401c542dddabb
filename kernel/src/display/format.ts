import { types } from 'node:util';
import { aFunction, expectArgument } from '@fovea/engine/files';
import type { MimeBundle } from './bundle.js';
import { frameBundle } from './data-frames.js';
import { domBundle } from './dom.js';
import { imageType } from './image-type.js';
import { PLOTLY_MIME } from './mime.js';
import { base64, type OwnDisplay, ownBundle, peek } from './own-display.js';
import { errorLine, plainText } from './plain-text.js';
import { recordsTable } from './records.js';
import { isNumericArray, numericBundle } from './typed-array.js';
import { vegaBundle } from './vega.js';

/** Says how values of some kind are shown; `undefined` for all others. */
export type Formatter = (value: unknown) => MimeBundle | undefined;

const formatters: Formatter[] = [];

/** Adds a formatter. Later formatters take precedence over earlier ones, and a value's own display over all. */
export function registerFormatter(formatter: Formatter): void {
  formatters.unshift(expectArgument(formatter, aFunction, 'registerFormatter: formatter'));
}

/**
 * The representations of a value: its own (`Symbol.for('Jupyter.display')`, `toMimeBundle`, `_toMime`), a
 * registered formatter's, or one by its shape. Always has `text/plain`, and never throws: a line under the
 * text says which display failed and why.
 *
 * @returns a promise only when the value's own method gives one
 */
export function formatValue(value: unknown): MimeBundle | Promise<MimeBundle> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return asText(value);
  try {
    const own = ownBundle(value);
    if (!types.isPromise(own)) return own ? complete(own, value) : shaped(value);
    return own.then(
      (bundle) => complete(bundle, value),
      (error: unknown) => asText(value, [errorLine(error)]),
    );
  } catch (error) {
    return asText(value, [errorLine(error)]);
  }
}

/** A value as text, with a line for every display of it that failed. */
function asText(value: unknown, problems: readonly string[] = []): MimeBundle {
  const lines = problems.map((problem) => `[its display failed: ${problem}]`);
  return { data: { 'text/plain': [plainText(value), ...lines].join('\n') }, metadata: {} };
}

/** A bundle together with what is shown where nothing of it can be. */
function complete({ data, metadata, problems = [] }: MimeBundle & Partial<OwnDisplay>, value: unknown) {
  if (typeof data['text/plain'] === 'string') return { data, metadata };
  return { data: { ...data, ...asText(value, problems).data }, metadata };
}

/** What a formatter makes of a value, or what can be shown better than as text by its shape. */
function shaped(value: object): MimeBundle {
  const problems: string[] = [];
  if (typeof value === 'object') {
    for (const formatter of formatters) {
      try {
        const bundle = formatter(value);
        if (bundle) return complete(bundle, value);
      } catch (error) {
        // A proxy that does not let itself be looked at is not something that failed to be drawn.
        if (!types.isProxy(value)) problems.push(errorLine(error));
      }
    }
    try {
      const bundle = shapeBundle(value);
      if (bundle) return complete({ ...bundle, problems }, value);
    } catch {
      // It looked like something else than it is.
    }
  }
  return asText(value, problems);
}

function shapeBundle(value: object): MimeBundle | undefined {
  if (types.isUint8Array(value)) {
    const type = imageType(value);
    if (type) {
      const text = `${type}, ${value.length.toLocaleString('en')} bytes`;
      return { data: { [type]: base64(value), 'text/plain': text }, metadata: {} };
    }
  }
  if (isNumericArray(value)) return numericBundle(value);
  if (Array.isArray(value)) return recordsTable(value, plainText);
  const known = domBundle(value) ?? frameBundle(value) ?? vegaBundle(value);
  if (known) return known;
  if (isPlotly(value)) return { data: { [PLOTLY_MIME]: value }, metadata: {} };
  return undefined;
}

/** A figure as plotly.js takes it: traces and a layout. */
function isPlotly(value: object): boolean {
  const data = peek(value, 'data');
  const layout = peek(value, 'layout');
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
