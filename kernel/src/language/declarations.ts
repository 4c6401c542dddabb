import type { DocumentSymbol, SymbolKind } from 'vscode-languageserver-types';
import { Lines } from './text.js';

/** A name that a cell declares at its top level. */
export interface Declaration {
  readonly name: string;
  /** Declared with `let` or `var` and nothing else: later cells may assign to it. */
  readonly mutable: boolean;
  /** Certainly declared as a constant. */
  readonly constant: boolean;
}

/** Names without what is known of them. */
export interface Names {
  readonly size: number;
  has(name: string): boolean;
  keys(): Iterable<string>;
}

const likely =
  /^(?:export\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:let|const|var|class|function\*?|enum|interface|type|namespace)\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)/gmu;

/**
 * The names that a cell seems to declare at its top level, as declarations there are usually written: at the
 * beginning of a line. A guess to begin with, so that the server need not be asked twice for most cells.
 */
export function likelyNames(code: string): ReadonlySet<string> {
  return new Set([...code.matchAll(likely)].map(([, name]) => name!));
}

/** Whether any word of a code could begin a declaration. */
export function mayDeclare(code: string): boolean {
  return /\b(?:let|const|var|using|import|class|function|enum|interface|type|namespace|module|declare)\b/.test(
    code,
  );
}

const VARIABLE: typeof SymbolKind.Variable = 13;

/** How many characters in front of a name are searched for its declaring keyword. */
const REACH = 4000;

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

/** Words that an export list may not hold. */
const reserved = new Set(['default', 'export', 'import', 'this', 'await', 'yield', 'arguments', 'eval']);

/**
 * The names among a file's symbols that may be declarations of its top level. The server lists nested ones
 * too; which those are shows when the file is checked.
 * @param text the user's part of the file; symbols beyond it are generated
 */
export function declarationsOf(text: string, symbols: readonly DocumentSymbol[]): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  const lines = new Lines(text);
  for (const { name, kind, selectionRange } of symbols) {
    const start = lines.indexAt(selectionRange.start);
    if (start >= text.length || !identifier.test(name) || reserved.has(name)) continue;
    const before = text.slice(Math.max(0, start - REACH), start);
    const variable = kind === VARIABLE;
    const also = found.get(name);
    found.set(name, {
      name,
      mutable: variable && isMutable(before) && also?.mutable !== false,
      constant: variable && constant.test(before.slice(-40)) && also === undefined,
    });
  }
  return found;
}

const keyword =
  /(?<![\p{ID_Continue}$.])(let|var|const|using|import|class|function|enum|catch)(?![\p{ID_Continue}$])/gu;

/** The last declaring keyword in front of a name; it may belong to something nested, so only `let` and `var` count. */
function isMutable(before: string): boolean {
  // Most stand right in front of the name.
  const last = lastKeyword(before.slice(-40)) ?? lastKeyword(before);
  return last === 'let' || last === 'var';
}

const lastKeyword = (text: string) => [...text.matchAll(keyword)].at(-1)?.[1];

/** Declared by `const name` or `using name`: assigning to it later is an error worth reporting. */
const constant = /(?<![\p{ID_Continue}$.])(?:const|using)\s+$/u;
