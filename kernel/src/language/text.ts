import type { Position } from 'vscode-languageserver-types';

/** Index in UTF-16 units of the character that `codePoints` characters precede; Jupyter counts code points. */
export function utf16Offset(text: string, codePoints: number): number {
  let index = 0;
  for (let left = codePoints; left > 0 && index < text.length; left--) {
    index += text.codePointAt(index)! > 0xffff ? 2 : 1;
  }
  return index;
}

/** Code points in front of a UTF-16 index. */
export function codePointOffset(text: string, index: number): number {
  let count = 0;
  for (let i = 0; i < Math.min(index, text.length); count++) i += text.codePointAt(i)! > 0xffff ? 2 : 1;
  return count;
}

/**
 * Where the run of characters of one kind begins that ends at an index. A regular expression for the end of a text would
 * begin anew at each character of a long run elsewhere.
 * @param character matches one code point of the kind
 */
export function runStart(text: string, end: number, character: RegExp): number {
  for (let start = end; ; ) {
    const isPair =
      /[\uDC00-\uDFFF]/.test(text[start - 1] ?? '') && /[\uD800-\uDBFF]/.test(text[start - 2] ?? '');
    const next = start - (isPair ? 2 : 1);
    if (next < 0 || !character.test(text.slice(next, start))) return start;
    start = next;
  }
}

/** Where the lines of a text begin, for many questions about the same text; lines end as TypeScript sees it. */
export class Lines {
  /** The protocol knows three line ends, of any mix. */
  readonly #starts: readonly number[];

  constructor(readonly text: string) {
    this.#starts = [
      0,
      ...Array.from(text.matchAll(/\r\n|\n|\r/g), ({ index, 0: end }) => index + end.length),
    ];
  }

  get count(): number {
    return this.#starts.length;
  }

  /** Line and character of an index. */
  positionAt(index: number): Position {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return { line: low, character: index - this.#starts[low]! };
  }

  /** Index of a position, inside the text. */
  indexAt({ line, character }: Position): number {
    const start = this.#starts[line];
    return start === undefined ? this.text.length : Math.min(start + character, this.text.length);
  }
}
