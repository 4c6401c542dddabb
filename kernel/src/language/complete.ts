import type { CompletionItem, CompletionItemKind } from 'vscode-languageserver-types';
import type { LiveProperty } from './live.js';
import { codePointOffset, runStart } from './text.js';

/** Content of a `complete_reply`; offsets in code points. */
export interface Completion {
  readonly matches: readonly string[];
  readonly cursorStart: number;
  readonly cursorEnd: number;
  readonly metadata: {
    readonly _jupyter_types_experimental: readonly {
      readonly text: string;
      readonly type: string;
      readonly start: number;
      readonly end: number;
    }[];
  };
}

/** Names of the kinds of completions, as front ends show them. */
const kindNames: Readonly<Record<CompletionItemKind, string>> = {
  1: 'text',
  2: 'method',
  3: 'function',
  4: 'constructor',
  5: 'field',
  6: 'variable',
  7: 'class',
  8: 'interface',
  9: 'module',
  10: 'property',
  11: 'unit',
  12: 'value',
  13: 'enum',
  14: 'keyword',
  15: 'snippet',
  16: 'color',
  17: 'file',
  18: 'reference',
  19: 'folder',
  20: 'enum member',
  21: 'constant',
  22: 'struct',
  23: 'event',
  24: 'operator',
  25: 'type parameter',
};

/** The word that a completion replaces, from `start` to the cursor. */
export interface Word {
  readonly start: number;
  readonly typed: string;
  /** Inside a string literal, where paths and keys are completed. */
  readonly inString: boolean;
}

/** The word in front of the cursor. */
export function wordAt(code: string, cursor: number): Word {
  const before = code.slice(0, cursor);
  const opened = openString(before);
  if (opened !== undefined) return { start: opened, typed: before.slice(opened), inString: true };
  const name = runStart(before, before.length, /[\p{ID_Continue}$]/u);
  const start = before[name - 1] === '#' ? name - 1 : name;
  return { start, typed: before.slice(start), inString: false };
}

/** Index after the quote of the string literal that is still open at the end of the text. */
function openString(text: string): number | undefined {
  const nested: string[] = [];
  let opened: number | undefined;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (quote === '`' && character === '$' && text[i + 1] === '{') {
      nested.push('`');
      quote = '';
      opened = undefined;
      i++;
    } else if (quote !== '') {
      if (character === '\\') i++;
      else if (character === quote || (character === '\n' && quote !== '`')) {
        quote = '';
        opened = undefined;
      }
    } else if (character === '/' && text[i + 1] === '/') {
      const end = text.indexOf('\n', i);
      if (end < 0) return undefined;
      i = end;
    } else if (character === '/' && text[i + 1] === '*') {
      const end = text.indexOf('*/', i + 2);
      if (end < 0) return undefined;
      i = end + 1;
    } else if (character === '"' || character === "'" || character === '`') {
      quote = character;
      opened = i + 1;
    } else if (character === '{') nested.push('{');
    else if (character === '}' && nested.pop() === '`') quote = '`';
  }
  return quote === '`' ? undefined : opened;
}

/** Merges the language server's completions with properties of values of the running program. */
export function completion(
  code: string,
  cursor: number,
  word: Word,
  items: readonly CompletionItem[],
  living: readonly LiveProperty[],
): Completion {
  const found = new Map<string, string>();
  const sorted = [...items].sort(
    (a, b) => compare(a.sortText ?? a.label, b.sortText ?? b.label) || compare(a.label, b.label),
  );
  for (const item of sorted) {
    const text = replacement(nameOf(item), word);
    if (text !== undefined && !found.has(text)) found.set(text, item.kind ? kindNames[item.kind] : '');
  }
  const identifiers = living.filter(
    ({ name }) => word.inString || /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name),
  );
  for (const { name, type = 'property' } of identifiers) {
    const text = replacement(name, word);
    if (text !== undefined && !found.has(text)) found.set(text, type);
  }
  const start = codePointOffset(code, word.start);
  const end = codePointOffset(code, cursor);
  const exact = (text: string) => text.startsWith(word.typed);
  const offered = [...found.entries()];
  const ranked = [...offered.filter(([text]) => exact(text)), ...offered.filter(([text]) => !exact(text))];
  return {
    matches: ranked.map(([text]) => text),
    cursorStart: start,
    cursorEnd: end,
    metadata: {
      _jupyter_types_experimental: ranked.map(([text, type]) => ({ text, type, start, end })),
    },
  };
}

/** What an item completes; the label of an optional property has a question mark behind its name. */
function nameOf({ label, insertText, filterText }: CompletionItem): string {
  return [insertText, filterText].find((text) => `${text}?` === label) ?? label;
}

/** What takes the typed word's place when `label` is chosen; undefined when it does not begin with the word. */
function replacement(label: string, { typed, inString }: Word): string | undefined {
  const begins = (text: string, prefix: string) => text.toLowerCase().startsWith(prefix.toLowerCase());
  if (begins(label, typed)) return inString || /^#?[\p{ID_Continue}$]+$/u.test(label) ? label : undefined;
  if (!inString) return undefined;
  // Path completions name the last part only.
  const folder = typed.slice(0, typed.lastIndexOf('/') + 1);
  return folder !== '' && begins(label, typed.slice(folder.length)) ? folder + label : undefined;
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
