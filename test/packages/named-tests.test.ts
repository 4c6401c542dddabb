import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lexer, type Token, type Tokens } from 'marked';
import { expect, it } from 'vitest';
import { root } from './tarballs.js';

/** The rows of the guide's table of features: what is checked, and the cell that names its tests. */
function namedTests(): { readonly feature: string; readonly cell: Tokens.TableCell }[] {
  const tokens = lexer(readFileSync(join(root, 'docs/kernel.md'), 'utf8'));
  return tokens
    .filter((token): token is Tokens.Table => token.type === 'table' && token.header[0]?.text === 'feature')
    .flatMap(({ rows }) => rows.map(([feature, , cell]) => ({ feature: feature!.text, cell: cell! })));
}

/** The text of the tests that a name in the table stands for; those of one folder are named after the first by the rest. */
function sourceOf(
  name: string,
  before: string,
): { readonly path: string; readonly text: string } | undefined {
  for (const path of [name, join(before, '..', name), join('..', name)]) {
    const file = join(root, 'test/kernel', path);
    if (existsSync(`${file}.test.ts`)) return { path, text: readFileSync(`${file}.test.ts`, 'utf8') };
    if (!existsSync(file)) continue;
    const files = readdirSync(file).filter((one) => one.endsWith('.test.ts'));
    return { path, text: files.map((one) => readFileSync(join(file, one), 'utf8')).join('\n') };
  }
  return undefined;
}

/** Whether a title, or its beginning up to "…", is that of a test; a test made in a loop has its own beginning. */
function hasTitle(text: string, title: string): boolean {
  const made = [...text.matchAll(/`([^`$]{4,})\$\{/g)].map(([, beginning]) => beginning!);
  return title
    .split('…')
    .map((part) => part.trim())
    .every((part) => text.includes(part) || made.some((beginning) => part.startsWith(beginning)));
}

const rows = namedTests();

it('the guide to the kernel names the tests of dozens of features', () => {
  expect(rows.length).toBeGreaterThan(40);
});

it.each(rows.map(({ feature, cell }) => [feature, cell] as const))('there are tests of: %s', (_, cell) => {
  let source: ReturnType<typeof sourceOf>;
  for (const token of cell.tokens as readonly Token[]) {
    if (token.type === 'em') {
      expect(source && hasTitle(source.text, (token as Tokens.Em).text), token.raw).toBe(true);
      continue;
    }
    for (const name of token.raw.replace(/\([^)]*\)/g, '').match(/[a-z][\w/-]*/g) ?? []) {
      source = sourceOf(name, source?.path ?? '.');
      expect(source, name).toBeDefined();
    }
  }
});
