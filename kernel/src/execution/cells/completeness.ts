import { SourceSyntaxError } from '../../typescript/syntax-error.js';
import { checkSyntax } from './compile.js';
import { translateMagics } from './magics.js';

export type Completeness =
  | { readonly status: 'complete' | 'invalid' | 'unknown' }
  | { readonly status: 'incomplete'; readonly indent: string };

const unfinished =
  /got '<eof>'|Unexpected eof|end of file|Unterminated (?:template|block comment|regexp template|JSX contents)|Unterminated comment/i;
const finalError = /Unterminated string/i;

/** Whether a cell can run as it stands, needs more lines, or can never become valid. */
export function completeness(code: string): Completeness {
  let source: string;
  try {
    source = translateMagics(code).code;
  } catch {
    return { status: 'complete' };
  }
  try {
    checkSyntax(source);
    return { status: 'complete' };
  } catch (error) {
    if (!(error instanceof SourceSyntaxError)) return { status: 'unknown' };
    const atEnd = error.line !== undefined && isAtEnd(source, error.line, error.column ?? 0);
    const open = unfinished.test(error.message) || atEnd;
    if (!open || finalError.test(error.message)) return { status: 'invalid' };
    return { status: 'incomplete', indent: indentAfter(source) };
  }
}

/** Whether nothing but blanks and comments follows a place. */
function isAtEnd(source: string, line: number, column: number): boolean {
  const rest = source.split('\n').slice(line);
  rest[0] = (rest[0] ?? '').slice(column);
  return (
    rest
      .join('\n')
      .replace(/\/\/.*$/gm, '')
      .trim() === ''
  );
}

/** Indentation that the next line should have. */
function indentAfter(source: string): string {
  const last = source.trimEnd().split('\n').at(-1) ?? '';
  const indent = /^\s*/.exec(last)![0];
  return /[{([]\s*$|=>\s*$/.test(last) ? `${indent}  ` : indent;
}
