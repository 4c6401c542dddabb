import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import GithubSlugger from 'github-slugger';
import { lexer, type Token, type Tokens, walkTokens } from 'marked';
import { describe, expect, it } from 'vitest';
import { readJson, root } from './tarballs.js';

const files = [
  ...['.', 'docs', 'engine', 'kernel', 'extension'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => join(root, folder, file)),
  ),
  ...readdirSync(join(root, 'notebooks')).map((file) => join(root, 'notebooks', file)),
].filter((file) => /\.(md|ipynb)$/.test(file));

interface Cell {
  readonly cell_type: string;
  readonly source: string | readonly string[];
}

/** The Markdown of a file; of a notebook, that of its text cells. */
function markdownOf(file: string): string {
  if (file.endsWith('.md')) return readFileSync(file, 'utf8');
  const cells = (readJson(file).cells as Cell[]).filter(({ cell_type: type }) => type === 'markdown');
  return cells.map(({ source }) => (typeof source === 'string' ? source : source.join(''))).join('\n\n');
}

function tokensOf(file: string, type: string): Token[] {
  const found: Token[] = [];
  walkTokens(lexer(markdownOf(file)), (token) => {
    if (token.type === type) found.push(token);
  });
  return found;
}

/** What a link to a heading of a file may end in, as GitHub and the documentation site make it. */
function anchorsOf(file: string): Set<string> {
  const slugger = new GithubSlugger();
  return new Set(
    tokensOf(file, 'heading').map((token) => {
      const text = (token as Tokens.Heading).text.replace(/`|\[([^\]]*)\]\([^)]*\)/g, '$1');
      return slugger.slug(text);
    }),
  );
}

/** Links and pictures of a file that lead nowhere. */
function brokenIn(file: string): string[] {
  const links = [...tokensOf(file, 'link'), ...tokensOf(file, 'image')] as Tokens.Link[];
  return links
    .map(({ href }) => href)
    .filter((href) => {
      if (/^[a-z]+:/.test(href)) return false;
      const [path, anchor] = href.split('#');
      const target = path === '' ? file : resolve(dirname(file), decodeURIComponent(path!));
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(target).has(anchor);
    });
}

describe('links between documents', () => {
  it.each(files.map((file) => relative(root, file)))(
    '%s leads to files and headings that are there',
    (file) => {
      expect(brokenIn(join(root, file))).toEqual([]);
    },
  );

  it('are found, with their headings', () => {
    expect(anchorsOf(join(root, 'docs/prediction.md'))).toContain('validation');
    expect(tokensOf(join(root, 'README.md'), 'link').length).toBeGreaterThan(20);
  });
});

it('the first notebook names all others', () => {
  const linked = tokensOf(join(root, 'notebooks/01-quick-look.ipynb'), 'link').map(
    (token) => (token as Tokens.Link).href,
  );
  const others = readdirSync(join(root, 'notebooks')).filter(
    (file) => file.endsWith('.ipynb') && !file.startsWith('01-'),
  );
  expect(linked).toEqual(expect.arrayContaining(others));
});

it("the README's table names every notebook", () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  for (const file of readdirSync(join(root, 'notebooks')).filter((name) => name.endsWith('.ipynb'))) {
    expect(readme).toContain(`\`${file.replace('.ipynb', '')}\``);
  }
});
