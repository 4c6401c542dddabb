import type { Bundle } from '../wire.js';

/** Characters that one representation may have. A front end that is sent more stops responding. */
const REPRESENTATION_LIMIT = 64_000_000;

/**
 * A bundle that can be written as JSON and that a front end can bear: representations that cannot (cycles,
 * bigints, far too large) are replaced by a note.
 */
export function sendable({ data, metadata }: { data: object; metadata: object }): {
  bundle: Bundle;
  size: number;
} {
  const kept: Record<string, unknown> = {};
  let size = 0;
  const notes: string[] = [];
  for (const [type, value] of Object.entries(data)) {
    let length: number;
    try {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      if (text === undefined) continue;
      length = text.length;
    } catch (error) {
      notes.push(`[${type} is not shown: ${(error as Error).message.split('\n')[0]}]`);
      continue;
    }
    if (length > REPRESENTATION_LIMIT) {
      notes.push(`[${type} is not shown: ${length.toLocaleString('en')} characters]`);
      continue;
    }
    kept[type] = value;
    size += length;
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
