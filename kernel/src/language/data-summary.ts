import { blanked } from '../typescript/edits.js';
import { commentEnd, type DataItem, type DataLiteral, DataReader, stringEnd } from './data-literals.js';

/** Shorter code is fast enough for the language server as it is. */
const LONG_CODE = 50_000;
/** Literals shorter than this stay as they are. */
const LONG_LITERAL = 4000;
/** This many elements at the beginning of a list always stay. */
const FIRST_ELEMENTS = 16;
/** Elements of at most this many different structures stay. */
const MOST_STRUCTURES = 32;
/** A record with more keys than this is a table, whose keys are not known by name. */
const WIDE_RECORD = 200;

const opaque = '(0 as any)';

/**
 * Code in which large data is cut down to what determines its type: of lists the first elements and one of
 * every structure remain, of wide tables nothing. What is left out becomes blanks, so that every line and column
 * stays where it is. Code whose types need the data itself (`as const`, `satisfies`) stays whole.
 */
export function withoutData(code: string): string {
  if (code.length < LONG_CODE) return code;
  const literals = dataLiterals(code);
  if (literals.length === 0) return code;
  let outside = '';
  let result = '';
  let at = 0;
  for (const literal of literals) {
    outside += code.slice(at, literal.start);
    result += code.slice(at, literal.start) + summaryOf(code, literal);
    at = literal.end;
  }
  outside += code.slice(at);
  return /\bas\s+const\b|\bsatisfies\b/.test(outside) ? code : result + code.slice(at);
}

/** Code without its bulk of data, remembered: what is checked is committed next. */
export class DataSummary {
  /** The last code that had to be cut down. */
  #last: { readonly written: string; readonly code: string } | undefined;

  /** The code to work with. Requests and answers speak of the same places in it and in what was written. */
  of(written: string): string {
    if (this.#last?.written === written) return this.#last.code;
    const code = withoutData(written);
    this.#last = code === written ? undefined : { written, code };
    return code;
  }
}

/** The large literals of a code, where an expression may stand and nothing but data stands in it. */
function dataLiterals(code: string): DataLiteral[] {
  const reader = new DataReader(code);
  const found: DataLiteral[] = [];
  for (let at = 0; at < code.length; ) {
    const character = code[at]!;
    if ((character === '[' || character === '{') && isExpression(code, at)) {
      const literal = reader.read(at);
      if (literal && literal.end - literal.start >= LONG_LITERAL) found.push(literal);
      at = literal?.end ?? at + 1;
    } else if (character === '"' || character === "'" || character === '`') {
      at = stringEnd(code, at) ?? at + 1;
    } else at = Math.max(commentEnd(code, at), at + 1);
  }
  return found;
}

/**
 * Whether a bracket begins an expression, and neither an index nor a block nor a type. What is taken apart by
 * `[a, b] =` has the type of a tuple, and counts as none.
 */
function isExpression(code: string, at: number): boolean {
  const before = code.slice(Math.max(0, at - 200), at);
  return (
    /(?:[=([,:?&|>]|\breturn)\s*$/.test(before) &&
    !/\]\s*=\s*$|\btype\s+[\w$]+\s*(?:<[^=]*>)?\s*=\s*$/.test(before)
  );
}

function summaryOf(code: string, literal: DataLiteral): string {
  if (literal.end - literal.start < LONG_LITERAL) return code.slice(literal.start, literal.end);
  if (literal.kind === 'other') return code.slice(literal.start, literal.end);
  if (literal.kind === 'record' && literal.items.length > WIDE_RECORD) return opaqueOf(code, literal);
  const seen = new Set<string>();
  const last = literal.end - 1;
  let result = '';
  // Up to where the text is written, and whether what follows until the next item that stays does not.
  let at = literal.start;
  let dropping = false;
  const write = (end: number) => {
    const text = code.slice(at, end);
    result += dropping ? blanked(text) : text;
    at = end;
  };
  for (const [index, item] of literal.items.entries()) {
    const kept = isKept(literal, item, index, seen);
    if (kept === dropping) {
      write(item.start);
      dropping = !kept;
    }
    if (!kept) continue;
    write(item.value.start);
    result += summaryOf(code, item.value);
    at = item.value.end;
  }
  write(last);
  return result + code.slice(last, literal.end);
}

function isKept({ kind }: DataLiteral, { value }: DataItem, index: number, seen: Set<string>): boolean {
  if (kind === 'record' || index < FIRST_ELEMENTS) {
    seen.add(value.signature);
    return true;
  }
  if (seen.has(value.signature) || seen.size >= MOST_STRUCTURES) return false;
  seen.add(value.signature);
  return true;
}

/** A value of any type in the place of a literal; the literal itself where its lines are too short for that. */
function opaqueOf(code: string, { start, end }: DataLiteral): string {
  const text = blanked(code.slice(start, end));
  const at = text.indexOf(' '.repeat(opaque.length));
  return at < 0 ? code.slice(start, end) : text.slice(0, at) + opaque + text.slice(at + opaque.length);
}
