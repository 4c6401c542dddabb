/*
 * Documents are read by hand: what a schema cannot say (as many characters as cells, the least before the most) is
 * checked beside the rest, with one kind of message, and ajv's compiled validators of the same schemas take three times
 * the space of these readers (6.6 kB against 2.1, compressed), which every page with a notebook would load. The tests
 * hold types, schemas and readers to each other.
 */

/** A document that does not follow its schema: where, what was found, and what would be accepted. */
export class MalformedDocument extends Error {
  constructor(
    /** Place in the document, as `images[0].blocks[3].cells`. */
    readonly path: string,
    message: string,
  ) {
    super(`${path || 'document'}: ${message}`);
    this.name = 'MalformedDocument';
  }
}

/** A short, safe rendering of a value for a message. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value !== null && typeof value === 'object') return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 40 ? `${text.slice(0, 37)}…` : text;
}

export function fail(path: string, value: unknown, accepted: string): never {
  throw new MalformedDocument(path, `found ${shown(value)}, expected ${accepted}`);
}

export type Fields = Readonly<Record<string, unknown>>;

/** @throws MalformedDocument unless `value` is a JSON object. */
export function object(value: unknown, path: string): Fields {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) fail(path, value, 'an object');
  return value as Fields;
}

/** Checks every item. @throws MalformedDocument unless `value` is an array of at least `least` items. */
export function list(
  value: unknown,
  path: string,
  item: (value: unknown, path: string) => void,
  least = 0,
): readonly unknown[] {
  if (!Array.isArray(value)) fail(path, value, 'an array');
  if (value.length < least) fail(path, value, `at least ${least} item${least === 1 ? '' : 's'}`);
  value.forEach((each, index) => {
    item(each, `${path}[${index}]`);
  });
  return value;
}

/** @throws MalformedDocument unless `value` is a string. */
export function text(value: unknown, path: string): string {
  if (typeof value !== 'string') fail(path, value, 'text');
  return value;
}

export function optionalText(value: unknown, path: string): void {
  if (value !== undefined) text(value, path);
}

/** @throws MalformedDocument unless `value` is a finite number within the bounds, both included. */
export function number(value: unknown, path: string, least = -Infinity, most = Infinity): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) fail(path, value, 'a number');
  if (value < least || value > most) {
    fail(path, value, most === Infinity ? `at least ${least}` : `a number from ${least} to ${most}`);
  }
  return value;
}

export function optionalNumber(value: unknown, path: string, least?: number, most?: number): void {
  if (value !== undefined) number(value, path, least, most);
}

/** @throws MalformedDocument unless `value` is a whole number within the bounds, both included. */
export function whole(value: unknown, path: string, least: number, most = 2 ** 31): number {
  const given = number(value, path, least, most);
  if (!Number.isInteger(given)) fail(path, value, 'a whole number');
  return given;
}

/** @throws MalformedDocument unless `value` is one of `accepted`. */
export function oneOf<T extends string>(value: unknown, path: string, accepted: readonly T[]): T {
  if (!accepted.includes(value as T)) fail(path, value, `one of ${accepted.join(', ')}`);
  return value as T;
}

/** @throws MalformedDocument unless `value` is `1`, the only version this build reads. */
export function version(value: unknown): void {
  if (value !== 1) {
    fail('version', value, 'version 1; a newer kernel may have written this, so update the Fovea extension');
  }
}

/** @throws MalformedDocument unless `value` is base64 text. Line by line, so that long images do not recurse. */
export function base64(value: unknown, path: string): string {
  const given = text(value, path);
  if (given.length === 0 || given.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(given)) {
    fail(path, value, 'base64 text');
  }
  return given;
}
