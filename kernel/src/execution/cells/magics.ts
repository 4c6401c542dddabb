import { blanked } from '../../typescript/edits.js';
import { BRIDGE } from '../bridge.js';

/** What the magics of a cell request from the host. */
export interface MagicSettings {
  /** Report how long the cell took. */
  readonly time: boolean;
  /** Whether type errors stop cells from now on. */
  readonly strict?: boolean;
  /** Show help for this expression in the pager. */
  readonly inspect?: { readonly expression: string; readonly detail: 0 | 1 };
  readonly reset: boolean;
}

export interface TranslatedCell {
  /** TypeScript in which magics are calls of the runtime; lines stay where they are, and end in line feeds. */
  readonly code: string;
  /** TypeScript with the magics blanked out, for the language service; offsets are those of the cell. */
  readonly typescript: string;
  readonly settings: MagicSettings;
}

/** A magic that does not exist or was used wrongly. */
export class MagicError extends Error {
  override readonly name = 'UsageError';
}

const help: Readonly<Record<string, string>> = {
  '%time': 'CODE or alone: report how long the cell takes',
  '%%bash': 'run the rest of the cell with bash (%%sh: with sh)',
  '%npm': 'ARGUMENTS: run npm in the notebook’s folder, as in %npm install d3-array',
  '%who': 'list the variables that cells have declared',
  '%reset': 'forget all variables',
  '%load': 'FILE: replace the cell by a file’s text',
  '%strict': 'on | off: whether type errors stop a cell (off at first)',
  '%lsmagic': 'this list',
  '?': 'NAME? or ?NAME: show help for a name in the pager (??: with its source)',
};

/** The names of the magics, each with its percent signs. */
export const magicNames = [...Object.keys(help).filter((name) => name.startsWith('%')), '%%sh', '%%time'];

/** The list of magics as text. */
const magicHelp = Object.entries(help)
  .map(([name, text]) => `${name.padEnd(9)} ${text}`)
  .join('\n');

/**
 * Reads the magics at the beginning of a cell, before the rest is parsed as TypeScript: `%%name` passes the
 * whole cell to the magic, `%name` one line. A `%` anywhere else is an operator.
 *
 * @throws MagicError
 */
export function translateMagics(cell: string): TranslatedCell {
  const { typescript, ...translated } = translateLines(cell.replace(lineEnd, '\n'));
  return { ...translated, typescript: withEnds(typescript, cell) };
}

const lineEnd = /\r\n?|\n/g;

/** A text with the line ends of another, so that offsets are the same in both. */
function withEnds(text: string, original: string): string {
  if (!original.includes('\r')) return text;
  const ends = original.match(lineEnd) ?? [];
  let line = 0;
  return text.replace(/\n/g, () => ends[line++] ?? '\n');
}

/** @param cell with line feeds alone at the ends of lines */
function translateLines(cell: string): TranslatedCell {
  const whole = /^\s*%%(\w+)([^\n]*)\n?/.exec(cell);
  if (whole) return wholeCell(cell, whole);
  const question =
    /^\s*(?:(\?\??)\s*([\p{ID_Continue}$.[\]'"]+)|([\p{ID_Continue}$.[\]'"]+)(\?\??))\s*$/u.exec(cell);
  if (question) {
    const expression = question[2] ?? question[3]!;
    const detail = (question[1] ?? question[4])!.length === 2 ? 1 : 0;
    return {
      code: '',
      typescript: '',
      settings: { time: false, reset: false, inspect: { expression, detail } },
    };
  }
  const code: string[] = [];
  const typescript: string[] = [];
  let settings: MagicSettings = { time: false, reset: false };
  let leading = true;
  for (const line of cell.split('\n')) {
    const magic = leading ? /^(\s*)%(\w+)([^\n]*)$/.exec(line) : undefined;
    if (!magic) {
      if (!/^\s*(?:\/\/.*)?$/.test(line)) leading = false;
      code.push(line);
      typescript.push(line);
      continue;
    }
    const [, indent, name, rest] = magic;
    const argument = rest!.trim();
    if (name === 'time') {
      settings = { ...settings, time: true };
      const kept = `${blanked(line.slice(0, line.length - rest!.length))}${rest}`;
      code.push(kept);
      typescript.push(kept);
      if (argument !== '') leading = false;
      continue;
    }
    typescript.push(blanked(line));
    const { source, ...more } = lineMagic(name!, argument);
    settings = { ...settings, ...more };
    code.push(indent + source);
  }
  return { code: code.join('\n'), typescript: withoutExports(typescript.join('\n')), settings };
}

/** The next cell sees every name of a cell anyway: `export` in front of a declaration adds nothing. */
function withoutExports(code: string): string {
  return code.replace(
    /^export\s+(?:default\s+)?(?=(?:const|let|var|async|function|class|enum|type|interface|namespace|abstract|declare)\b)/gm,
    blanked,
  );
}

function call(name: string, argument: string, body = ''): string {
  return `await ${BRIDGE}.magic.${name}(${JSON.stringify(argument)},${JSON.stringify(body)});`;
}

function lineMagic(name: string, argument: string): { source: string } & Partial<MagicSettings> {
  switch (name) {
    case 'npm':
    case 'load':
      if (argument === '') throw new MagicError(`%${name} needs an argument: ${help[`%${name}`]}`);
      return { source: call(name, argument) };
    case 'who':
      return { source: call('who', argument) };
    case 'reset':
      return { source: call('reset', argument), reset: true };
    case 'strict':
      if (argument !== 'on' && argument !== 'off') {
        throw new MagicError(`%strict ${argument}: 'on' or 'off' is accepted`);
      }
      return { source: '', strict: argument === 'on' };
    case 'lsmagic':
      return { source: `console.log(${JSON.stringify(magicHelp)});` };
    default:
      throw new MagicError(`there is no magic %${name}. There are:\n${magicHelp}`);
  }
}

function wholeCell(cell: string, [head, name, argument]: RegExpExecArray): TranslatedCell {
  const body = cell.slice(head.length);
  switch (name) {
    case 'bash':
    case 'sh':
      return {
        code: call(name, argument!.trim(), body),
        typescript: '',
        settings: { time: false, reset: false },
      };
    case 'time': {
      const kept = `${blanked(head)}${body}`;
      return { code: kept, typescript: kept, settings: { time: true, reset: false } };
    }
    default:
      throw new MagicError(`there is no magic %%${name}. There are:\n${magicHelp}`);
  }
}
