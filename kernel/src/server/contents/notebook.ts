import { isJsonObject, type JsonObject } from '../../json-object.js';
import { HttpError } from '../http/errors.js';
import { upgradeNotebook } from './upgrade.js';

/**
 * Notebooks on disk keep text as lists of lines, so that version control shows sensible differences; the front
 * end takes plain strings. This is nbformat's own convention, and keeping to it leaves a notebook that others
 * saved unchanged byte for byte when it is saved here.
 */

/** MIME types whose data are JSON documents: a list is one, and not the lines of a text. */
const isJson = (mime: string): boolean => mime === 'application/json' || mime.endsWith('+json');

/** MIME types whose data are kept as lines; base64 has none. */
function isText(mime: string): boolean {
  return mime.startsWith('text/') || mime === 'application/javascript' || mime === 'image/svg+xml';
}

const join = (value: unknown): unknown =>
  Array.isArray(value) && value.every((line) => typeof line === 'string') ? value.join('') : value;
const split = (value: unknown): unknown =>
  typeof value === 'string' ? (value.match(/[^\n]*\n|[^\n]+$/g) ?? []) : value;

/** Applies `change` to every multi-line text of a notebook, on a copy that shares the rest. */
function mapTexts(notebook: JsonObject, change: (text: unknown) => unknown): JsonObject {
  const bundle = (data: unknown): unknown =>
    isJsonObject(data)
      ? Object.fromEntries(
          Object.entries(data).map(([mime, value]) => {
            if (isJson(mime)) return [mime, value];
            return [mime, isText(mime) ? change(value) : join(value)];
          }),
        )
      : data;
  const output = (value: unknown): unknown => {
    if (!isJsonObject(value)) return value;
    const changed: JsonObject = { ...value };
    if ('text' in changed) changed.text = change(changed.text);
    if ('data' in changed) changed.data = bundle(changed.data);
    return changed;
  };
  const cell = (value: unknown): unknown => {
    if (!isJsonObject(value)) return value;
    const changed: JsonObject = { ...value, source: change(value.source) };
    if (Array.isArray(changed.outputs)) changed.outputs = changed.outputs.map(output);
    return changed;
  };
  const cells = notebook.cells;
  return { ...notebook, cells: Array.isArray(cells) ? cells.map(cell) : [] };
}

/** Keys in order, as nbformat writes them. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sortKeys(value[key])]),
  );
}

/**
 * Reads a notebook file's text, one of format 3 as it is in format 4.
 * @param api the path to name in errors
 * @throws HttpError 400 when it is no notebook of format 3 or 4
 */
export function parseNotebook(text: string, api: string): JsonObject {
  let value: unknown;
  try {
    // Some editors on Windows begin a file with a byte order mark.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new HttpError(400, `Unreadable notebook: ${api}: ${(error as Error).message}`);
  }
  if (!isJsonObject(value)) throw new HttpError(400, `Unreadable notebook: ${api}: not a JSON object`);
  const { nbformat } = value;
  if (nbformat !== 4 && nbformat !== 3) {
    const older = nbformat === 1 || nbformat === 2 ? '; jupyter nbconvert --to notebook brings it there' : '';
    throw new HttpError(
      400,
      `Unreadable notebook: ${api}: nbformat ${nbformat}, 3 and 4 are accepted${older}`,
    );
  }
  const notebook = nbformat === 3 ? upgradeNotebook(value) : value;
  if (!Array.isArray(notebook.cells))
    throw new HttpError(400, `Unreadable notebook: ${api}: it has no cells`);
  return mapTexts(notebook, join);
}

/**
 * The text to save for a notebook that the front end sent.
 * @throws HttpError 400 when it is no notebook
 */
export function formatNotebook(content: unknown): string {
  if (!isJsonObject(content) || !Array.isArray(content.cells) || content.nbformat !== 4) {
    throw new HttpError(400, 'The content is not a notebook of format 4');
  }
  return `${JSON.stringify(sortKeys(mapTexts(withoutOrigin(content), split)), null, 1)}\n`;
}

/** The format that a notebook was converted from is for the front end only; the file does not keep it. */
function withoutOrigin(notebook: JsonObject): JsonObject {
  if (!isJsonObject(notebook.metadata) || !('orig_nbformat' in notebook.metadata)) return notebook;
  const { orig_nbformat: _format, orig_nbformat_minor: _minor, ...metadata } = notebook.metadata;
  return { ...notebook, metadata };
}

/** The code cells of a notebook. */
export function codeCells(notebook: unknown): JsonObject[] {
  const cells = isJsonObject(notebook) ? notebook.cells : undefined;
  return (Array.isArray(cells) ? cells : []).filter(
    (cell): cell is JsonObject => isJsonObject(cell) && cell.cell_type === 'code',
  );
}

/** What a new notebook holds. */
export function emptyNotebook(): JsonObject {
  return { cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 };
}
