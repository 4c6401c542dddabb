import type { Diagnostic as LspDiagnostic } from 'vscode-languageserver-types';
import { markupText } from './inspect.js';
import { Lines } from './text.js';

/** A type error or warning in a cell. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** TypeScript's number of the message: 2322 for `TS2322`. */
  readonly code: number;
  readonly message: string;
  /** Line and column from 0, columns in UTF-16 units as JavaScript counts them. */
  readonly start: { readonly line: number; readonly column: number };
  readonly end: { readonly line: number; readonly column: number };
}

/** Messages for "this name does not exist" in an export list. */
const notDeclared = new Set([2304, 2552, 2661, 2662, 2663]);

/** Names in the generated export list that the cell does not declare at its top level after all. */
export function undeclaredNames(text: string, code: string, found: readonly LspDiagnostic[]): string[] {
  const lines = new Lines(text);
  return found.flatMap(({ code: number, range }) => {
    const start = lines.indexAt(range.start);
    const generated = start > code.length && notDeclared.has(Number(number));
    return generated ? [text.slice(start, lines.indexAt(range.end))] : [];
  });
}

/** Assigning to a name of an earlier cell: there it is a variable of the kernel's global scope. */
const assignsToImport = 2632;
const assignsToConstant = 2588;

/**
 * What of a file's diagnostics concerns the user: errors and warnings in the cell's own text. Hints, and what
 * only follows from cells being modules, are left out.
 * @param isConstant whether a name from an earlier cell was declared with `const`
 */
export function userDiagnostics(
  code: string,
  found: readonly LspDiagnostic[],
  isConstant: (name: string) => boolean,
): Diagnostic[] {
  const lines = new Lines(code);
  return found.flatMap(({ severity = 1, code: number, message, range }): Diagnostic[] => {
    const start = lines.indexAt(range.start);
    if (severity > 2 || (start >= code.length && code.length > 0 && range.start.line >= lines.count))
      return [];
    let text = markupText(message);
    let shown = Number(number) || 0;
    if (Number(number) === assignsToImport) {
      const name = code.slice(start, lines.indexAt(range.end));
      if (!isConstant(name)) return [];
      shown = assignsToConstant;
      text = `Cannot assign to '${name}' because it is a constant.`;
    }
    return [
      {
        severity: severity === 1 ? 'error' : 'warning',
        code: shown,
        message: text.replace(/import\("[^"\n]*"\)\./g, ''),
        start: { line: range.start.line, column: range.start.character },
        end: { line: range.end.line, column: range.end.character },
      },
    ];
  });
}
