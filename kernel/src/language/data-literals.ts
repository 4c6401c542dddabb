/** A literal that holds only data, as the summary sees it. */
export interface DataLiteral {
  readonly kind: 'list' | 'record' | 'other';
  readonly start: number;
  readonly end: number;
  /** The same for literals of the same type: their structure without their values. */
  readonly signature: string;
  /** Elements of a list or properties of a record, each from its own beginning. */
  readonly items: readonly DataItem[];
}

export interface DataItem {
  readonly start: number;
  readonly value: DataLiteral;
}

/** Deeper data is left to the language server, which has a stack of its own. */
const MOST_DEPTH = 200;
const LONGEST_SIGNATURE = 1000;
const MOST_SIGNATURES = 32;

const none: readonly DataItem[] = [];

const number = /[-+]?(?:0[xXbBoO][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?)n?/y;
const names = /(?:new\s+)?[\p{ID_Start}$_][\p{ID_Continue}$]*(?:\.[\p{ID_Start}$_][\p{ID_Continue}$]*)*/uy;
const key = /[\p{ID_Start}$_][\p{ID_Continue}$]*|\d+/uy;
const space = /\s+/y;

/** Index after the string literal that begins at `start`; undefined where it does not end, or is a template with holes. */
export function stringEnd(text: string, start: number): number | undefined {
  const quote = text[start]!;
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]!;
    if (character === '\\') at++;
    else if (character === quote) return at + 1;
    else if (quote === '`' ? character === '$' && text[at + 1] === '{' : character === '\n') return undefined;
  }
  return undefined;
}

/** Index after the comment that begins at `start`; `start` itself where none does. */
export function commentEnd(text: string, start: number): number {
  const mark = text[start] === '/' ? text[start + 1] : undefined;
  if (mark !== '/' && mark !== '*') return start;
  const end = mark === '/' ? text.indexOf('\n', start) : text.indexOf('*/', start + 2);
  if (end < 0) return text.length;
  return mark === '/' ? end : end + 2;
}

/** Reads data: numbers, strings, names, lists, records, and calls with such parameters. */
export class DataReader {
  #at = 0;

  constructor(private readonly text: string) {}

  /** The literal that begins at `start`; undefined when something else than data stands in it. */
  read(start: number): DataLiteral | undefined {
    this.#at = start;
    return this.#value(0);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found) this.#at += found.length;
    return found;
  }

  #skip(): void {
    for (;;) {
      this.#match(space);
      const end = commentEnd(this.text, this.#at);
      if (end === this.#at) return;
      this.#at = end;
    }
  }

  #value(depth: number): DataLiteral | undefined {
    if (depth > MOST_DEPTH) return undefined;
    const start = this.#at;
    const other = (signature: string): DataLiteral => ({
      kind: 'other',
      start,
      end: this.#at,
      signature,
      items: none,
    });
    const character = this.text[start];
    if (character === '[') return this.#list(depth);
    if (character === '{') return this.#record(depth);
    if (character === '"' || character === "'" || character === '`') {
      const end = stringEnd(this.text, start);
      if (end === undefined) return undefined;
      this.#at = end;
      return other('s');
    }
    const digits = this.#match(number);
    if (digits !== undefined) return other(digits.endsWith('n') && !/^0x/i.test(digits) ? 'i' : 'n');
    const name = this.#match(names);
    if (name === undefined) return undefined;
    if (this.text[this.#at] !== '(') return other(name === 'true' || name === 'false' ? 'b' : name);
    const parameters = this.#items(')', () => this.#value(depth + 1));
    return parameters && other(`${name}(${parameters.map(({ value }) => value.signature).join()})`);
  }

  #list(depth: number): DataLiteral | undefined {
    const start = this.#at;
    const signatures: string[] = [];
    const items = this.#items(']', () => {
      const value = this.#value(depth + 1);
      if (value && signatures.at(-1) !== value.signature && !signatures.includes(value.signature))
        if (signatures.length < MOST_SIGNATURES) signatures.push(value.signature);
      return value;
    });
    return (
      items && {
        kind: 'list',
        start,
        end: this.#at,
        signature: `[${signatures.join('|').slice(0, LONGEST_SIGNATURE)}]`,
        items,
      }
    );
  }

  #record(depth: number): DataLiteral | undefined {
    const start = this.#at;
    const keys: string[] = [];
    const items = this.#items('}', () => {
      const quoted = /["']/.test(this.text[this.#at] ?? '') ? stringEnd(this.text, this.#at) : undefined;
      const name = quoted === undefined ? this.#match(key) : this.text.slice(this.#at, quoted);
      if (name === undefined) return undefined;
      if (quoted !== undefined) this.#at = quoted;
      this.#skip();
      if (this.text[this.#at] !== ':') return undefined;
      this.#at++;
      this.#skip();
      const value = this.#value(depth + 1);
      if (value) keys.push(`${name}:${value.signature}`);
      return value;
    });
    return (
      items && {
        kind: 'record',
        start,
        end: this.#at,
        signature: `{${keys.join().slice(0, LONGEST_SIGNATURE)}}`,
        items,
      }
    );
  }

  /** What stands between brackets, separated by commas; a last comma may follow. */
  #items(close: string, read: () => DataLiteral | undefined): DataItem[] | undefined {
    const items: DataItem[] = [];
    this.#at++;
    for (;;) {
      this.#skip();
      if (this.text[this.#at] === close) break;
      const start = this.#at;
      const value = read();
      if (!value) return undefined;
      items.push({ start, value });
      this.#skip();
      if (this.text[this.#at] === ',') this.#at++;
      else if (this.text[this.#at] !== close) return undefined;
    }
    this.#at++;
    return items;
  }
}
