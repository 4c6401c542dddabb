import { type InspectOptions, inspect, types } from 'node:util';

/** Longest text representation, characters. */
const TEXT_LIMIT = 200_000;
/** Of a text inside another value, far fewer are shown. */
const INNER_TEXT_LIMIT = 10_000;
/** Of an object with more properties only the first are shown, as `inspect` has no such limit. */
const MOST_PROPERTIES = 1000;

/**
 * Text of any value, without colour. Never throws: if a value's own inspection fails, a line says so under what can
 * be seen without it.
 */
export function plainText(value: unknown): string {
  const options: InspectOptions = {
    colors: false,
    depth: 4,
    maxArrayLength: 100,
    maxStringLength: typeof value === 'string' ? TEXT_LIMIT / 2 : INNER_TEXT_LIMIT,
    breakLength: 100,
  };
  try {
    return wideText(value, options) ?? shortened(inspect(value, options));
  } catch (error) {
    const note = `[its inspection failed: ${errorLine(error)}]`;
    for (const attempt of [
      () => inspect(value, { ...options, customInspect: false }),
      () => inspect(bare(value as object), options),
    ]) {
      try {
        return `${shortened(attempt())}\n${note}`;
      } catch {
        // The next way requires less of the value.
      }
    }
    return `[a value of type ${typeof value} that cannot be shown]\n${note}`;
  }
}

/** Text of a plain object with a great many properties. */
function wideText(value: unknown, options: InspectOptions): string | undefined {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return undefined;
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  const keys = Object.keys(value);
  if (keys.length <= MOST_PROPERTIES) return undefined;
  const first = keys.slice(0, MOST_PROPERTIES).map((key) => [key, propertyOf(value, key)] as const);
  const text = inspect(Object.defineProperties({}, Object.fromEntries(first)), options);
  const more = (keys.length - MOST_PROPERTIES).toLocaleString('en');
  return `${shortened(text)}\n… ${more} more properties`;
}

/** A value's own properties alone, as they are described without reading them. */
function bare(value: object): object {
  const described = Reflect.ownKeys(value)
    .slice(0, MOST_PROPERTIES)
    .map((key) => [key, { ...propertyOf(value, key), enumerable: true }]);
  return Object.create(null, Object.fromEntries(described) as PropertyDescriptorMap) as object;
}

const propertyOf = (value: object, key: string | symbol) =>
  Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;

/** One line that says what was thrown, whatever it was. */
export function errorLine(error: unknown): string {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const [line] = text.split('\n', 1);
    return line!.length > 300 ? `${line!.slice(0, 300)}…` : line!;
  } catch {
    return 'an error that cannot be shown';
  }
}

function shortened(text: string): string {
  return text.length > TEXT_LIMIT
    ? `${text.slice(0, TEXT_LIMIT)}… (${text.length.toLocaleString('en')} characters)`
    : text;
}
