import { base64, fail, list, number, object, optionalText, text, version, whole } from './check-fields';
import type { MasksDocument } from './types';

/** Largest map or image side that is drawn; a browser's canvas ends not far beyond. */
const LARGEST_SIDE = 16384;

/** Bytes that a base64 text holds. */
const byteLength = (encoded: string) =>
  (encoded.length / 4) * 3 - (encoded.endsWith('==') ? 2 : encoded.endsWith('=') ? 1 : 0);

function block(value: unknown, path: string): void {
  const fields = object(value, path);
  whole(fields.index, `${path}.index`, 0);
  text(fields.name, `${path}.name`);
  whole(fields.stage, `${path}.stage`, 0);
  whole(fields.granularity, `${path}.granularity`, 1);
  number(fields.rate, `${path}.rate`, 0, 1);
  const height = whole(fields.height, `${path}.height`, 1, LARGEST_SIDE);
  const width = whole(fields.width, `${path}.width`, 1, LARGEST_SIDE);
  const rows = whole(fields.rows, `${path}.rows`, 1, height);
  const columns = whole(fields.columns, `${path}.columns`, 1, width);
  const cells = text(fields.cells, `${path}.cells`);
  const expected = `${rows * columns} characters 0 or 1 (rows · columns)`;
  if (cells.length !== rows * columns) {
    fail(`${path}.cells`, cells.length, expected);
  }
  if (!/^[01]*$/.test(cells)) fail(`${path}.cells`, cells, expected);
  if (fields.margins !== undefined) {
    const margins = object(fields.margins, `${path}.margins`);
    number(margins.scale, `${path}.margins.scale`, 0);
    const encoded = base64(margins.base64, `${path}.margins.base64`);
    if (byteLength(encoded) !== rows * columns) {
      fail(`${path}.margins.base64`, byteLength(encoded), `${rows * columns} bytes (rows · columns)`);
    }
  }
}

function guess(value: unknown, path: string): void {
  const fields = object(value, path);
  text(fields.label, `${path}.label`);
  number(fields.probability, `${path}.probability`, 0, 1);
}

function image(value: unknown, path: string): void {
  const fields = object(value, path);
  text(fields.name, `${path}.name`);
  whole(fields.width, `${path}.width`, 1, LARGEST_SIDE);
  whole(fields.height, `${path}.height`, 1, LARGEST_SIDE);
  base64(fields.png, `${path}.png`);
  if (fields.top !== undefined) list(fields.top, `${path}.top`, guess);
  list(fields.blocks, `${path}.blocks`, block);
}

/**
 * Reads a document of `application/vnd.fovea.masks.v1+json`; unknown fields are left alone.
 *
 * @returns the same object, now known to be sound.
 * @throws MalformedDocument naming the first field that is not.
 */
export function readMasks(value: unknown): MasksDocument {
  const fields = object(value, '');
  version(fields.version);
  optionalText(fields.title, 'title');
  text(fields.network, 'network');
  optionalText(fields.strategy, 'strategy');
  list(fields.images, 'images', image, 1);
  return value as MasksDocument;
}
