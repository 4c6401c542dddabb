/** One character of the line that is being written, with the colours it has. */
interface Cell {
  readonly character: string;
  readonly style: string;
}

/** Longer lines are let through without being followed. */
const LONGEST_LINE = 4096;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the control sequences of terminals
const sequence = /\u001b(?:\[([?>=]?)([\d;:]*)([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[78c=>])/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same, cut off by the end of what was written
const unfinished = /\u001b(?:\[[?>=]?[\d;:]*|\][^\u0007\u001b]*\u001b?)?$/;
/** Whether a text has more to it than a terminal's colours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const moving = /\u001b(?!\[[\d;:]*m)/;

const ESCAPE = '\u001b';

/** What the codes of SGR (`ESC [ … m`) are about, and those that take it back. */
const attributes: readonly (readonly [name: string, set: (code: number) => boolean, unset: number])[] = [
  ['foreground', (code) => (code >= 30 && code <= 38) || (code >= 90 && code <= 97), 39],
  ['background', (code) => (code >= 40 && code <= 48) || (code >= 100 && code <= 107), 49],
  ['weight', (code) => code === 1 || code === 2, 22],
  ['italic', (code) => code === 3, 23],
  ['underline', (code) => code === 4, 24],
  ['inverse', (code) => code === 7, 27],
  ['hidden', (code) => code === 8, 28],
  ['strike', (code) => code === 9, 29],
];

export interface TerminalEvents {
  /** The program clears the screen. */
  clear(): void;
  /** The program moves the cursor to an earlier line, which an output cannot follow. */
  movesUp(): void;
}

/**
 * Translates what programs write for a terminal (cursor movements, erasing) into what every notebook shows:
 * carriage returns and colours. The line that is being written is followed, and written again when it changes
 * elsewhere than at its end.
 */
export class TerminalLine {
  /** The line, once something but its end has been changed; until then its text alone. */
  #cells: Cell[] | undefined;
  #text = '';
  #cursor = 0;
  #styles = new Map<string, string>();
  /** Characters of the line, colour codes among them, that may have been shown. */
  #shown = 0;
  /** Whether the cursor is at the beginning of the screen, so that erasing what follows clears it. */
  #home = false;
  /** A control sequence of which the rest is still to come. */
  #rest = '';

  constructor(private readonly events: TerminalEvents) {}

  /** Text to print for what a program has written. */
  translate(written: string): string {
    let text = this.#rest + written;
    this.#rest = '';
    if (this.#cells === undefined && !text.includes(ESCAPE)) return this.#append(text);
    const cut = unfinished.exec(text);
    if (cut && text.length - cut.index < 256) {
      this.#rest = text.slice(cut.index);
      text = text.slice(0, cut.index);
    }
    if (this.#cells === undefined && !moving.test(text)) return this.#append(text);
    return text
      .split('\n')
      .map((part, index, parts) => {
        const shown = this.#line(part);
        if (index < parts.length - 1) this.#newLine();
        return shown;
      })
      .join('\n');
  }

  #newLine(): void {
    this.#cells = undefined;
    this.#text = '';
    this.#shown = 0;
    this.#cursor = 0;
  }

  /** Text that goes to the end of the line, or overwrites it by a carriage return. */
  #append(text: string): string {
    const end = text.lastIndexOf('\n');
    if (end >= 0) this.#newLine();
    this.#text += text.slice(end + 1);
    if (this.#text.length > LONGEST_LINE) this.#text = '';
    return text;
  }

  /** What is printed for a part of a line. */
  #line(part: string): string {
    if (this.#cells === undefined && !moving.test(part)) return this.#append(part);
    if (this.#cells === undefined) {
      this.#cells = [];
      this.#shown = this.#text.length;
      this.#write(this.#text);
    }
    const before = render(this.#cells);
    this.#write(part);
    if (this.#cells.length > LONGEST_LINE) this.#newLine();
    const after = render(this.#cells ?? []);
    if (after === before) return '';
    // A program that only appends to its line needs nothing written again.
    const repeated = after.startsWith(before) && !before.endsWith('m');
    const erase = this.#shown > 0 ? `\r${' '.repeat(this.#shown)}\r` : '';
    this.#shown = Math.max(this.#shown, after.length);
    return repeated ? after.slice(before.length) : erase + after;
  }

  #write(text: string): void {
    for (let at = 0; at < text.length; ) {
      sequence.lastIndex = at;
      const match = sequence.exec(text);
      if (match) {
        at += match[0].length;
        this.#control(match);
        continue;
      }
      const character = String.fromCodePoint(text.codePointAt(at)!);
      at += character.length;
      if (character === '\r') this.#cursor = 0;
      else if (character === '\b') this.#cursor = Math.max(0, this.#cursor - 1);
      else if (character !== ESCAPE) this.#put(character);
    }
  }

  #put(character: string): void {
    const cells = this.#cells!;
    while (cells.length < this.#cursor) cells.push({ character: ' ', style: '' });
    this.#home = false;
    cells[this.#cursor++] = { character, style: [...this.#styles.values()].join('') };
  }

  #control([whole, mark, parameters = '', final]: RegExpExecArray): void {
    if (whole === `${ESCAPE}c`) this.#clear();
    // Modes (`?`), titles, links, saved cursors: nothing of them shows.
    if (final === undefined || mark !== '') return;
    const cells = this.#cells!;
    const codes = parameters.split(';').map((code) => Number(code) || 0);
    const count = Math.max(1, codes[0]!);
    switch (final) {
      case 'm':
        this.#style(parameters);
        break;
      case 'G':
        this.#cursor = Math.min(count, LONGEST_LINE) - 1;
        break;
      case 'H':
      case 'f':
        this.#cursor = Math.min(Math.max(1, codes[1] ?? 1), LONGEST_LINE) - 1;
        this.#home = count === 1 && this.#cursor === 0;
        break;
      case 'C':
        this.#cursor = Math.min(this.#cursor + count, LONGEST_LINE);
        break;
      case 'D':
        this.#cursor = Math.max(0, this.#cursor - count);
        break;
      case 'A':
      case 'F':
        this.events.movesUp();
        if (final === 'F') this.#cursor = 0;
        break;
      case 'K':
        if (codes[0] === 2) cells.length = 0;
        else if (codes[0] === 1) cells.fill({ character: ' ', style: '' }, 0, this.#cursor + 1);
        else cells.length = Math.min(cells.length, this.#cursor);
        break;
      case 'J':
        if (this.#home || codes[0] === 2 || codes[0] === 3) this.#clear();
        else cells.length = Math.min(cells.length, this.#cursor);
        break;
      default:
    }
  }

  #clear(): void {
    this.#cells = [];
    this.#cursor = 0;
    this.#shown = 0;
    this.#home = false;
    this.events.clear();
  }

  #style(parameters: string): void {
    const codes = parameters === '' ? ['0'] : parameters.split(';');
    for (let at = 0; at < codes.length; at++) {
      const code = Number(codes[at]);
      if (code === 0) this.#styles.clear();
      const about = attributes.find(([, sets, unset]) => sets(code) || unset === code);
      if (!about) continue;
      const [name, , unset] = about;
      // 38 and 48 are followed by a colour: `5;n`, or `2;r;g;b`.
      const length = code === 38 || code === 48 ? (codes[at + 1] === '2' ? 5 : 3) : 1;
      if (code === unset) this.#styles.delete(name);
      else this.#styles.set(name, `${ESCAPE}[${codes.slice(at, at + length).join(';')}m`);
      at += length - 1;
    }
  }
}

function render(cells: readonly Cell[]): string {
  let text = '';
  let style = '';
  for (const cell of cells) {
    if (cell.style !== style) text += (style === '' ? '' : `${ESCAPE}[0m`) + cell.style;
    style = cell.style;
    text += cell.character;
  }
  return style === '' ? text : `${text}${ESCAPE}[0m`;
}
