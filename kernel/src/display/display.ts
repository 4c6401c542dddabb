import { randomUUID } from 'node:crypto';
import { aFlag, anObject, aText, expectFields, expectOptions } from '@fovea/engine/files';
import type { MimeBundle } from './bundle.js';
import { cellOutput } from './cell-output.js';
import { formatValue } from './format.js';

/** Where and how `display` shows a value. */
export interface DisplayOptions {
  /** Name of the display, by which it can be updated, also from another cell. */
  readonly id?: string;
  /** Replace what was shown under `id` instead of showing it once more. */
  readonly update?: boolean;
  /** Metadata by MIME type, over the value's own. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** The value is a MIME bundle (data by MIME type) and is shown as it is. */
  readonly raw?: boolean;
}

/** Marks values that are not shown as a cell's result, because their content is shown already. */
export const SILENT = Symbol.for('fovea.silent');

/** Something that is shown and can be replaced in place. */
export interface DisplayHandle {
  readonly id: string;
  /** Shows another value in the place of this one. */
  update(value: unknown, options?: Pick<DisplayOptions, 'metadata' | 'raw'>): void;
}

const displayKinds = { id: aText, update: aFlag, metadata: anObject, raw: aFlag };

/**
 * Shows a value in the running cell, as its result would be shown.
 *
 * @returns a handle that can replace what is shown
 */
export function display(value: unknown, options: DisplayOptions = {}): DisplayHandle {
  const {
    id = randomUUID(),
    update = false,
    metadata,
    raw = false,
  } = expectFields(options, displayKinds, 'display');
  const send = (bundle: MimeBundle) =>
    cellOutput().display(metadata ? { ...bundle, metadata: { ...bundle.metadata, ...metadata } } : bundle, {
      id,
      update,
    });
  const bundle = raw ? { data: value as Record<string, unknown>, metadata: {} } : formatValue(value);
  if (bundle instanceof Promise) {
    const shown = bundle.then(send);
    cellOutput().await?.(shown);
  } else send(bundle);
  const handle: DisplayHandle = {
    id,
    update: (next, more = {}) => void display(next, { ...more, id, update: true }),
  };
  return Object.defineProperty(handle, SILENT, { value: true });
}

/** Removes what the cell has shown so far. `wait`: only when something new comes, which avoids flicker. */
export function clearOutput(options: { readonly wait?: boolean } = {}): void {
  const { wait = false } = expectOptions(options, { wait: aFlag }, 'clearOutput');
  cellOutput().clear?.(wait);
}
