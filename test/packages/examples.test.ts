import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transformSync } from '@swc/wasm-typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from './tarballs.js';

// Below the repository, so that programs find the packages by their names.
const output = join(root, 'test/output/examples');
afterAll(() => rmSync(output, { recursive: true, force: true }));

interface Example {
  readonly name: string;
  readonly code: string;
}

const sourcesBelow = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));

/** The blocks of a guide, which go on from each other; those marked `ts cell` are for notebooks. */
function guideExamples(file: string): Example[] {
  const blocks = [...readFileSync(join(root, file), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)];
  return blocks.length === 0 ? [] : [{ name: file, code: blocks.map(([, code]) => code).join('') }];
}

/** The examples of docstrings, each a program of its own. */
function docstringExamples(file: string): Example[] {
  const found = readFileSync(join(root, file), 'utf8').matchAll(/@example\n \* ```ts\n(.*?)^ \* ```$/gms);
  return [...found].map(([, code], i) => ({ name: `${file} ${i + 1}`, code: code!.replace(/^ \* ?/gm, '') }));
}

const examples = [
  ...['README.md', 'engine/README.md', 'kernel/README.md'].flatMap(guideExamples),
  ...readdirSync(join(root, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => guideExamples(`docs/${file}`)),
  ...[...sourcesBelow('engine/src'), ...sourcesBelow('kernel/src')].flatMap(docstringExamples),
];

describe('examples', () => {
  it('are found in guides, package READMEs and docstrings', () => {
    const names = examples.map(({ name }) => name).join('\n');
    for (const place of ['docs/first-look.md', 'engine/README.md', 'engine/src/run/run.ts']) {
      expect(names).toContain(place);
    }
  });

  it.each(examples)('$name runs', async ({ name, code }) => {
    mkdirSync(output, { recursive: true });
    const file = join(output, `${name.replace(/\W+/g, '-')}.mjs`);

    writeFileSync(file, transformSync(code, { mode: 'strip-only' }).code);
    await promisify(execFile)(process.execPath, [file], { timeout: 120_000 });
  });
});
