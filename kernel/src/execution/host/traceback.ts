import { runStart } from '../../language/text.js';
import type { Position } from '../../typescript/edits.js';
import { cellFilePrefix } from '../cells/cell-file.js';
import { namesVersions, withoutVersion } from '../module-version.js';
import type { Bundle, ThrownValue } from '../wire.js';

/** What a traceback needs about a cell. */
export interface CellSource {
  readonly count: number;
  readonly code: string;
  /** Place in the user's code of a place in the running script (zero-based). */
  toSource(position: Position): Position;
  /** Lines of the running script that are the cell's. */
  readonly lineCount: number;
}

export interface TracebackOptions {
  /** Cells by script file name. */
  readonly cells: Pick<ReadonlyMap<string, CellSource>, 'get'>;
  readonly colour: boolean;
  /** Script file name of the cell that failed. */
  readonly file?: string;
}

interface Frame {
  readonly text: string;
  readonly cell?: CellSource;
  readonly position?: Position;
}

const CONTEXT_LINES = 2;
const MAX_FRAMES = 24;

/** ANSI styles, or none. */
function palette(colour: boolean) {
  const style = (code: string) => (text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { red: style('1;31'), dim: style('2'), bold: style('1'), cyan: style('36') };
}

/** Where the code is that runs around cells. */
const ownAddress = new URL('../', import.meta.url).href;
const internal = /[( ]node:|at (?:async )?__fovea__|at <anonymous>:1:\d+$/;
const position = /:(\d+):(-?\d+)\)?$/;

/** A frame's function, and the file, line and column behind it. */
function locate(frame: string): { name: string; file: string; line: number; column: number } | undefined {
  const found = position.exec(frame);
  if (!found) return undefined;
  const start = runStart(frame, found.index, /[^\s()]/);
  const name = frame.slice(0, start).replace(/\($/, '').replace(/^at /, '').trim();
  return {
    name,
    file: frame.slice(start, found.index),
    line: Number(found[1]),
    column: Number(found[2]),
  };
}

/** Reads the frames of a stack text, leaves out the kernel's own, and names cells by their count. */
function frames(stack: string, { cells }: TracebackOptions): Frame[] {
  const lines = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const result: Frame[] = [];
  for (const line of lines) {
    if (internal.test(line) || line.includes(ownAddress)) continue;
    const place = locate(line.trim());
    const cell = place && cells.get(place.file);
    if (place && cell) {
      // The arrow function around an asynchronous cell begins before its first line and is called after its last.
      if (place.line > cell.lineCount || place.column < 1) continue;
      const position = cell.toSource({ line: place.line - 1, column: place.column - 1 });
      const where = `In[${cell.count}]:${position.line + 1}:${position.column + 1}`;
      const { name } = place;
      const own = name === '' || name === 'async' || /^(?:async )?(?:<anonymous>|evalmachine)/.test(name);
      result.push({ text: own ? `at ${where}` : `at ${name} (${where})`, cell, position });
    } else result.push({ text: withoutVersion(line.trim()) });
  }
  return result.slice(0, MAX_FRAMES);
}

/** What `inspect` puts behind the last frame of an error: the bracket of its own fields, or the comma of a list. */
const afterFrame = /( \{|,)$/;

/** Text as `inspect` writes it, in which stacks name cells by their count and leave the kernel's own frames out. */
export function tidyStacks(text: string, cells: TracebackOptions['cells']): string {
  if (!text.includes(cellFilePrefix) && !namesVersions(text)) return text;
  const result: string[] = [];
  for (const line of text.split('\n')) {
    if (!/^\s+at /.test(line)) {
      // How many lines are left out counts the kernel's own frames too.
      result.push(line.replace(/^(\s+\.\.\. )\d+ (lines matching cause stack trace \.\.\.)/, '$1$2'));
      continue;
    }
    const indent = /^\s*/.exec(line)![0];
    const after = afterFrame.exec(line)?.[0] ?? '';
    const [frame] = frames(line.slice(0, line.length - after.length), { cells, colour: false });
    if (frame) result.push(indent + frame.text + after);
    else if (result.length > 0) result[result.length - 1] += after;
  }
  return result.join('\n');
}

/** A display whose text is tidied in the same way. */
export function tidyBundle(bundle: Bundle, cells: TracebackOptions['cells']): Bundle {
  const text = bundle.data['text/plain'];
  if (typeof text !== 'string') return bundle;
  return { ...bundle, data: { ...bundle.data, 'text/plain': tidyStacks(text, cells) } };
}

/** The lines around a place in a cell, with a caret under it. */
export function codeFrame(
  code: string,
  { line, column }: Position,
  colour: boolean,
  context = CONTEXT_LINES,
): string[] {
  const paint = palette(colour);
  const lines = code.split(/\r\n?|\n/);
  if (line < 0 || line >= lines.length) return [];
  const first = Math.max(0, line - context);
  const last = Math.min(lines.length - 1, line + context);
  const width = String(last + 1).length;
  const result: string[] = [];
  for (let n = first; n <= last; n++) {
    const text = lines[n]!.length > 300 ? `${lines[n]!.slice(0, 300)}…` : lines[n]!;
    const label = String(n + 1).padStart(width);
    if (n !== line) {
      result.push(paint.dim(`    ${label} | ${text}`));
      continue;
    }
    result.push(`${paint.red('>')}   ${label} | ${text}`);
    if (column <= text.length) {
      const indent = text.slice(0, column).replace(/[^\t]/g, ' ');
      result.push(`    ${' '.repeat(width)} | ${indent}${paint.red('^')}`);
    }
  }
  return result;
}

/** An import that failed is not on the stack, but its line is known. */
function importFrame(error: ThrownValue, { cells, file }: TracebackOptions): Frame | undefined {
  const cell = file === undefined ? undefined : cells.get(file);
  if (error.line === undefined || !cell) return undefined;
  return { text: '', cell, position: { line: error.line - 1, column: 0 } };
}

/** The line, from 0, of a cell's own code at which an error left the cell, if its stack shows it. */
export function failedLine(error: ThrownValue, options: TracebackOptions): number | undefined {
  const cell = options.file === undefined ? undefined : options.cells.get(options.file);
  const own = frames(error.stack, options).filter((frame) => frame.cell === cell);
  return (own.at(-1) ?? importFrame(error, options))?.position?.line;
}

/** Title line of a thrown value. */
function title({ name, message }: ThrownValue): string {
  return message === '' ? name : `${name}: ${message}`;
}

/**
 * What is shown of a thrown value: its message, the cell's own line with a caret, the frames that are not
 * the kernel's, its details, and the chain of causes.
 */
export function traceback(error: ThrownValue, options: TracebackOptions, depth = 0): string[] {
  const paint = palette(options.colour);
  const all = frames(error.stack, options);
  const own = all.find(({ cell }) => cell) ?? importFrame(error, options);
  const [first, ...more] = title(error).split('\n');
  const lines = [
    depth === 0 ? paint.red(first!) : `${paint.bold('Caused by:')} ${paint.red(first!)}`,
    ...more,
  ];
  if (own?.cell && own.position) {
    const { line, column } = own.position;
    lines.push(paint.cyan(`  In[${own.cell.count}], line ${line + 1}, column ${column + 1}`));
    lines.push(...codeFrame(own.cell.code, own.position, options.colour));
  }
  if (all.length > 1 || (all.length === 1 && !all[0]!.cell))
    lines.push(...all.map(({ text }) => paint.dim(`    ${text}`)));
  if (error.details) lines.push(`  { ${error.details} }`);
  error.errors?.forEach((member, index) => {
    const [head, ...rest] = traceback(member, options);
    lines.push(`  [${index}] ${head}`, ...rest.map((line) => `    ${line}`));
  });
  if (error.cause) lines.push(...traceback(error.cause, options, depth + 1));
  return lines;
}
