import { distinctNames } from '../../presentation/index.js';
import { colours } from './style.js';
import { type Attributes, element, escapeMarkup } from './svg.js';

/** Advance widths of the characters from space to `~` in the bundled typeface, in hundredths of the size. */
const regular = widths(
  '28 29 47 63 64 98 64 30 36 36 50 66 29 46 29 36 63 41 61 62 65 59 62 57 62 62 29 30 66 66 66 51 97 69 65 73 72 60 59 75 74 27 57 67 57 90 75 76 64 76 64 64 65 74 69 99 68 68 63 36 36 36 47 46 32 56 61 57 61 58 37 61 59 24 24 55 24 88 59 60 61 61 38 53 33 59 56 82 55 56 55 43 33 43 66',
);
const semibold = widths(
  '25 32 52 64 65 100 66 33 37 37 54 67 32 47 32 38 66 42 62 64 67 61 64 58 64 64 32 33 67 67 67 54 100 73 66 74 72 61 59 75 75 28 58 70 57 92 76 77 65 77 65 65 66 74 73 102 72 71 65 37 38 37 48 47 35 57 62 58 62 59 39 63 61 26 26 57 26 90 61 61 62 62 40 55 35 61 59 84 57 59 57 45 36 45 67',
);

/** Width for characters outside the table: that of a wide letter, so that labels never collide. */
const otherWidth = 75;

function widths(list: string): readonly number[] {
  return list.split(' ').map(Number);
}

/** Width in pixels that `text` takes at `size`. */
export function textWidth(text: string, size = 12, bold = false): number {
  const table = bold ? semibold : regular;
  let hundredths = 0;
  for (const character of text) hundredths += table[character.codePointAt(0)! - 32] ?? otherWidth;
  return (hundredths * size) / 100;
}

/** `text` cut to fit into `width` pixels, with an ellipsis where something is missing. */
export function fitText(text: string, width: number, size = 12, bold = false): string {
  if (textWidth(text, size, bold) <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, size, bold) > width) characters.pop();
  return `${characters.join('').trimEnd()}…`;
}

/** A name cut to fit into `width` pixels, its middle left out: names of blocks and designs differ at their ends. */
export function fitName(name: string, width: number, size = 12, bold = false): string {
  if (textWidth(name, size, bold) <= width) return name;
  const characters = [...name];
  for (let kept = characters.length - 1; kept > 1; kept--) {
    const first = Math.ceil(kept / 2);
    const cut = `${characters.slice(0, first).join('')}…${characters.slice(first - kept).join('')}`;
    if (textWidth(cut, size, bold) <= width) return cut;
  }
  return '…';
}

/** Names of several things, cut to fit into `width` pixels each: first by what all of them have in common. */
export function fitNames(names: readonly string[], width: number, size = 12): string[] {
  const isWide = names.some((name) => textWidth(name, size) > width);
  return (isWide ? distinctNames(names) : names).map((name) => fitName(name, width, size));
}

export interface TextOptions {
  readonly size?: number;
  readonly bold?: boolean;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly fill?: string;
  /** Degrees, clockwise, about the text's own anchor point. */
  readonly rotate?: number;
  /** Keeps lines that pass behind the text away from its letters. */
  readonly halo?: boolean;
}

/** A line of text with its baseline at `y`. */
export function text(
  x: number,
  y: number,
  content: string,
  { size = 12, bold = false, anchor = 'start', fill = colours.text, rotate, halo = false }: TextOptions = {},
): string {
  const attributes: Attributes = {
    x,
    y,
    'font-family': 'Inter',
    'font-size': size,
    'font-weight': bold ? 600 : undefined,
    'text-anchor': anchor === 'start' ? undefined : anchor,
    fill,
    ...(halo && {
      stroke: colours.background,
      'stroke-width': 3,
      'stroke-linejoin': 'round',
      'paint-order': 'stroke',
    }),
    transform: rotate === undefined ? undefined : `rotate(${rotate} ${x} ${y})`,
  };
  return element('text', attributes, escapeMarkup(content));
}
