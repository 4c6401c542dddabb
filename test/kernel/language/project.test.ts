// @module-tag process
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LanguageService } from '../../../kernel/src/language/service.js';

let directory: string;
let service: LanguageService;

function write(name: string, text: string): void {
  mkdirSync(dirname(join(directory, name)), { recursive: true });
  writeFileSync(join(directory, name), text);
}

function install(name: string, types: string): void {
  write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', types: 'index.d.ts' }));
  write(`node_modules/${name}/index.d.ts`, types);
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fovea-project-'));
  install('present', 'export declare const here: number;\n');
  service = new LanguageService({ directory });
});

afterEach(() => service.reset());

afterAll(() => {
  service.dispose();
  rmSync(directory, { recursive: true });
});

/** Type errors of a cell that then runs. */
async function ran(code: string, failure?: { line: number | undefined }): Promise<string[]> {
  const found = await service.diagnose(code);
  await service.commit(code, failure);
  await service.prepare();
  return found.map(({ code: number, message }) => `TS${number} ${message}`);
}

const settings = (compilerOptions: object) => write('tsconfig.json', JSON.stringify({ compilerOptions }));

describe('types follow what is on disk', () => {
  it('when a package is installed after an import of it has failed', async () => {
    const cell = 'import { later } from "installed-later"\nlater.toFixed()';
    expect(await ran(cell, { line: 0 })).toEqual([expect.stringContaining('TS2307')]);
    expect(await ran('import untyped from "typed-later"')).toEqual([expect.stringContaining('TS2307')]);
    install('installed-later', 'export declare const later: number;\n');
    install('@types/typed-later', 'declare const typed: string;\nexport default typed;\n');
    expect(await ran(cell)).toEqual([]);
    expect(await ran('later.length')).toEqual([expect.stringContaining('TS2339')]);
    expect(await ran('import typed from "typed-later"\ntyped.length')).toEqual([]);
  });

  it('when a local file is written, edited, or one behind it is', async () => {
    const cell = 'import { size } from "./shape"\nsize.toFixed()';
    expect(await ran(cell, { line: 0 })).toEqual([expect.stringContaining('TS2307')]);
    write('shape.ts', 'export { size } from "./deep"\n');
    write('deep.ts', 'export const size = "text"\n');
    expect(await ran(cell)).toEqual([expect.stringContaining('TS2551')]);
    write('deep.ts', 'export const size = 25, more = true\n');
    expect(await ran(cell)).toEqual([]);
    expect(await ran('size.toFixed()')).toEqual([]);
    write('shape.ts', 'export { size, more } from "./deep"\n');
    expect(await ran('import { more } from "./shape"\nmore')).toEqual([]);
  });
});

describe('a tsconfig.json', () => {
  it('says what aliases, decorators and global types there are, and may be edited', async () => {
    write('sources/aliased.ts', 'export const aliased = 1\n');
    install('@types/chosen', 'declare const CHOSEN: number;\n');
    const cells = [
      'import { aliased } from "~/aliased"\naliased.toFixed()',
      'import { aliased as based } from "sources/aliased"\nbased.toFixed()',
      'class Marked { @((target: object, key: string) => {}) field = 1 }',
      'CHOSEN.toFixed()',
    ];
    for (const cell of cells) expect(await ran(cell), cell).toHaveLength(1);
    settings({
      baseUrl: '.',
      paths: { '~/*': ['./sources/*'] },
      experimentalDecorators: true,
      types: ['chosen'],
      module: 'commonjs',
      outDir: 'dist',
    });
    for (const cell of cells) expect(await ran(cell), cell).toEqual([]);
    expect(await ran('import { here } from "present"\nprocess.exitCode = here')).toEqual([]);
    settings({});
    expect(await ran(cells[0]!)).toHaveLength(1);
  });

  it('says how strict to be', async () => {
    expect(await ran('function loose(a) { return a }\nconst none: string = null')).toEqual([
      expect.stringContaining('TS2322'),
    ]);
    settings({ strictNullChecks: false, noImplicitAny: true });
    expect(await ran('function loose(a) { return a }\nconst none: string = null')).toEqual([
      expect.stringContaining('TS7006'),
    ]);
    settings({});
  });
});

describe('a cell with JSX', () => {
  it('is checked, and what it declares is known', async () => {
    expect(
      await ran('const View = (p: { size: number }) => <p>{p.size}</p>\nconst wrong: string = 5'),
    ).toEqual([expect.stringContaining('TS2322')]);
    expect(await ran('View({ size: 1 })')).toEqual([]);
    expect(await ran('const shown = <View size="big" />')).toEqual([expect.stringContaining('TS2322')]);
    expect(await ran('const asserted = <number>(5 as unknown)\nshown')).toEqual([]);
  });
});

describe('a cell that failed', () => {
  it('has declared its names, but left those alone that it did not come to', async () => {
    await ran('let list = [1, 2], text = "a"');
    const failing =
      'const made: number = 5\nlet text: number = 4\nlet list: string = fail()\nfunction fail(): never { throw 1 }';
    await ran(failing, { line: 2 });
    expect(await ran('made.toFixed(); text.toFixed(); list.map(String); fail')).toEqual([]);
  });

  it('that was stopped has declared them all', async () => {
    await ran('let turns = 0\nwhile (true) turns++\nlet after = "x"', { line: undefined });
    expect(await ran('turns.toFixed()\nafter.length')).toEqual([]);
  });
});
