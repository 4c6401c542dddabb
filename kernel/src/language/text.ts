import type { Position, Range } from './lsp-types.js';

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

/** Places in a text by line and character. The protocol knows three line ends, of any mix. */
export class Lines {
  /** Indices at which lines begin. */
  readonly #starts: number[] = [0];

  constructor(private readonly text: string) {
    for (const match of text.matchAll(/\r\n|\n|\r/g)) this.#starts.push(match.index + match[0].length);
  }

  get count(): number {
    return this.#starts.length;
  }

  positionAt(index: number): Position {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= index) low = middle;
      else high = middle;
    }
    return { line: low, character: index - this.#starts[low]! };
  }

  /** Index of a position; that of the text's end for one beyond it. */
  indexAt({ line, character }: Position): number {
    const start = this.#starts[line];
    return start === undefined ? this.text.length : Math.min(start + character, this.text.length);
  }

  /** The text of a range. */
  slice({ start, end }: Range): string {
    return this.text.slice(this.indexAt(start), this.indexAt(end));
  }
}
