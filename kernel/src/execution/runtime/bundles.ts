import { errorLine } from '../../display/plain-text.js';
import type { Bundle } from '../wire.js';

/** Characters that one representation may have. A front end that is sent more stops responding. */
const REPRESENTATION_LIMIT = 64_000_000;

/**
 * A bundle that can be written as JSON and that a front end can handle. Never throws: representations that cannot be
 * sent (cycles, bigints, something else than text under a type of text, far too much) are replaced by a note.
 */
export function sendable({ data, metadata }: { data: unknown; metadata: unknown }): {
  bundle: Bundle;
  size: number;
} {
  const kept: Record<string, unknown> = {};
  let size = 0;
  const notes: string[] = [];
  for (const [type, value] of entries(data, notes)) {
    try {
      const representation = written(type, value);
      if (representation === undefined) continue;
      const { text } = representation;
      if (text.length > REPRESENTATION_LIMIT) {
        notes.push(`[${type} is not shown: ${text.length.toLocaleString('en')} characters]`);
        continue;
      }
      kept[type] = representation.value;
      size += text.length;
    } catch (error) {
      notes.push(`[${type} is not shown: ${errorLine(error)}]`);
    }
  }
  if (notes.length > 0) {
    const text = kept['text/plain'];
    kept['text/plain'] = [...(typeof text === 'string' ? [text] : []), ...notes].join('\n');
  }
  let shownMetadata = {};
  try {
    shownMetadata = JSON.parse(JSON.stringify(metadata ?? {})) as object;
  } catch {
    // Metadata that JSON cannot hold is left out: the data stands without it.
  }
  return { bundle: { data: kept, metadata: shownMetadata as Record<string, unknown> }, size };
}

function entries(data: unknown, notes: string[]): [string, unknown][] {
  try {
    return Object.entries(data as object);
  } catch (error) {
    notes.push(`[the display is not shown: ${errorLine(error)}]`);
    return [];
  }
}

/**
 * One representation as it is sent, and its length in characters. What is sent is the JSON as it was read once:
 * a value's own `toJSON` may say something else, or fail, the next time.
 */
function written(type: string, value: unknown): { text: string; value: unknown } | undefined {
  if (typeof value === 'string') return { text: value, value };
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) return undefined;
  const plain: unknown = JSON.parse(json);
  if (/\bjson\b/.test(type) || typeof plain === 'string') return { text: json, value: plain };
  // Notebook files hold long texts as lists of lines.
  if (Array.isArray(plain) && plain.every((line) => typeof line === 'string')) {
    const text = plain.join('');
    return { text, value: text };
  }
  if (typeof plain !== 'object' || plain === null) return { text: String(plain), value: String(plain) };
  throw new TypeError('it is an object, not text');
}
