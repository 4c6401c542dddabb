import { magicNames, translateMagics } from './magics.js';

/** What can stand in the place of the last characters of a text. */
export interface MagicCompletion {
  readonly typed: string;
  readonly matches: readonly string[];
  /** Whether the path of a file belongs there, which only the disk can complete. */
  readonly isPath?: boolean;
}

/** Completes a magic at the end of a text, or what it is given; `undefined` where no magic can stand. */
export function completeMagic(text: string): MagicCompletion | undefined {
  const above = text.slice(0, text.lastIndexOf('\n') + 1);
  const [, typed, space, argument] = /^\s*(%%?\w*)(\s*)([^\n]*)$/.exec(text.slice(above.length)) ?? [];
  if (typed === undefined || !isLeading(above)) return undefined;
  if (space === '') {
    const first = above.trim() === '';
    return {
      typed,
      matches: magicNames.filter((name) => name.startsWith(typed) && (first || !name.startsWith('%%'))),
    };
  }
  // What follows is code.
  if (/^%%?time$/.test(typed)) return undefined;
  if (typed === '%load') return { typed: argument!, matches: [], isPath: true };
  const values = typed === '%strict' ? ['on', 'off'] : [];
  return { typed: argument!, matches: values.filter((value) => value.startsWith(argument!)) };
}

/** Whether a cell has only magics, blank lines and comments so far. */
function isLeading(above: string): boolean {
  try {
    return translateMagics(above)
      .typescript.split('\n')
      .every((line) => /^\s*(?:\/\/.*)?$/.test(line));
  } catch {
    return false;
  }
}
