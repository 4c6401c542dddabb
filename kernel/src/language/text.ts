import type { Position } from './lsp-types.js';

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

/** Line and character of an index; lines end as TypeScript sees it. */
export function positionAt(text: string, index: number): Position {
  let line = 0;
  let lineStart = 0;
  for (const end of lineEnds(text)) {
    if (end > index) break;
    line++;
    lineStart = end;
  }
  return { line, character: index - lineStart };
}

/** Index of a position, inside the text. */
export function indexAt(text: string, { line, character }: Position): number {
  if (line === 0) return Math.min(character, text.length);
  let current = 0;
  for (const end of lineEnds(text)) {
    current++;
    if (current === line) return Math.min(end + character, text.length);
  }
  return text.length;
}

/** Indices at which a new line begins. The protocol knows three line ends, of any mix. */
function* lineEnds(text: string): Iterable<number> {
  for (const match of text.matchAll(/\r\n|\n|\r/g)) yield match.index + match[0].length;
}
