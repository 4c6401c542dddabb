/** Where an edit stands among others at the same place: closing brackets first, the inner ones before the outer. */
export type Rank = 'close' | 'close-statement' | 'open-statement' | 'open';

/** A replacement of part of a text. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly rank: Rank;
  /** What stands there instead in the plain text: just as many blanks, or what was there before. */
  readonly plain?: Plain | undefined;
}

/** See `Edit.plain`. */
export type Plain = 'blank' | 'as written';

const ranks: readonly Rank[] = ['close', 'close-statement', 'open-statement', 'open'];

/** Zero-based place in a text. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Offsets at which the lines of a text begin. */
function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** Collects edits of a text and applies them all at once, remembering how columns moved. */
export class Editor {
  #edits: Edit[] = [];
  #sorted = true;

  constructor(readonly text: string) {}

  replace(start: number, end: number, text: string): void {
    this.#add({ start, end, text, rank: 'open' });
  }

  insert(at: number, text: string, rank: Rank, plain?: Plain): void {
    this.#add({ start: at, end: at, text, rank, plain });
  }

  /** Replaces by blanks, so that nothing after it moves. */
  blank(start: number, end: number, plain?: Plain): void {
    if (end > start)
      this.#add({ start, end, text: blanked(this.text.slice(start, end)), rank: 'open', plain });
  }

  /** Blanks out a statement, leaving what keeps those before and after it apart. */
  remove(start: number, end: number): void {
    this.replace(start, start + 1, ';');
    this.blank(start + 1, end);
  }

  #add(edit: Edit): void {
    this.#edits.push(edit);
    this.#sorted = false;
  }

  /** The edits so far in order of position. */
  edits(): readonly Edit[] {
    if (!this.#sorted) {
      this.#edits.sort(
        (a, b) => a.start - b.start || a.end - b.end || ranks.indexOf(a.rank) - ranks.indexOf(b.rank),
      );
      this.#sorted = true;
    }
    return this.#edits;
  }

  /**
   * The text between two offsets with the edits inside it applied.
   *
   * @param options `ends`: whether insertions exactly at either end belong to it; `plain`: without the edits that
   * can be left out, everything else in the same places as with them
   */
  apply(start = 0, end = this.text.length, { ends = true, plain = false } = {}): string {
    let result = '';
    let at = start;
    for (const edit of this.edits()) {
      if (edit.start < at || edit.end > end) continue;
      if (!ends && edit.end === edit.start && (edit.start === start || edit.end === end)) continue;
      result += this.text.slice(at, edit.start) + (plain ? this.#plain(edit) : edit.text);
      at = edit.end;
    }
    return result + this.text.slice(at, end);
  }

  #plain({ start, end, text, plain }: Edit): string {
    if (plain === undefined) return text;
    return plain === 'blank' ? blanked(text) : this.text.slice(start, end);
  }

  /** The line and column of an offset in the original text. */
  place(offset: number): Position {
    const starts = lineStarts(this.text.slice(0, offset));
    return { line: starts.length - 1, column: offset - starts.at(-1)! };
  }

  /**
   * Finds where a place in the edited text was in the original. Edits must keep the number of lines, which
   * all of them here do, so that only columns move.
   */
  original({ line, column }: Position): Position {
    const starts = lineStarts(this.text);
    const from = starts[line];
    if (from === undefined) return { line, column };
    const to = starts[line + 1] ?? this.text.length + 1;
    let shift = 0;
    for (const edit of this.edits()) {
      if (edit.start < from || edit.start >= to || edit.text.includes('\n')) continue;
      const at = edit.start - from + shift;
      if (at > column) break;
      const grown = edit.text.length - (edit.end - edit.start);
      if (column < at + edit.text.length) return { line, column: edit.start - from };
      shift += grown;
    }
    return { line, column: Math.max(0, column - shift) };
  }

  /** Finds where a place in the original text is after the edits. */
  edited({ line, column }: Position): Position {
    const starts = lineStarts(this.text);
    const from = starts[line];
    if (from === undefined) return { line, column };
    let shift = 0;
    for (const edit of this.edits()) {
      if (edit.start < from || edit.start > from + column) continue;
      if (edit.end > edit.start && edit.end > from + column) continue;
      shift += edit.text.length - (edit.end - edit.start);
    }
    return { line, column: column + shift };
  }
}

/** The same text with everything but line breaks replaced by spaces. */
export function blanked(text: string): string {
  return text.replace(/[^\n\r\u2028\u2029]/g, ' ');
}
