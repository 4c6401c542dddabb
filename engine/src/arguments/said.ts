const LONGEST_TEXT = 60;

/** Of any value what kind of value it is, as the language says it, whatever realm made it: `Float32Array`, `Promise`. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** A value for a message. It may be anything: templates alone fail for symbols, and for objects that cannot become text. */
export function said(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `"${value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value}"`;
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    case 'object':
      return value === null ? 'null' : saidObject(value);
    default:
      return String(value);
  }
}

/** A value from a file or a user's object, as JSON where it has such a form. */
export function saidAsJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // Of circles, and of integers that are no numbers.
  }
  text ??= said(value);
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

function saidObject(value: object): string {
  if (isPromise(value)) return 'a promise that was not awaited';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  const tag = tagOf(value);
  if (tag.endsWith('Array')) return `a ${tag} of ${(value as { length: number }).length}`;
  if (tag !== 'Object') return `an object of type ${tag}`;
  const { shape, data } = value as { shape?: unknown; data?: { length?: unknown } };
  if (!Array.isArray(shape) || typeof data?.length !== 'number') return 'an object';
  const extents = shape.map((extent) => (typeof extent === 'number' ? extent : said(extent)));
  return `a tensor of shape [${extents.join(', ')}] over ${data.length} values`;
}

/** Also of promises that another realm's code made. */
export function isPromise<Value>(value: Value | Promise<Value>): value is Promise<Value> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
