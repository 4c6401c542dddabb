// @module-tag process
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { TestKernel } from '../client.js';

/** A project as people have them: settings above the notebook's folder, aliases, and files of every kind. */
const files: Readonly<Record<string, string>> = {
  'configs/base.json': '{ "compilerOptions": { "experimentalDecorators": true, "target": "ES2020" } }',
  'tsconfig.json': `{
    // comments and trailing commas are allowed here
    "extends": "./configs/base.json",
    "compilerOptions": {
      "paths": { "~lib/*": ["./lib/*"], "settings": ["./lib/settings.ts"] },
      "jsx": "react-jsx", "jsxImportSource": "tags", "outDir": "dist", "module": "commonjs",
    },
  }`,
  'node_modules/tags/package.json': '{ "name": "tags", "exports": { "./jsx-runtime": "./runtime.js" } }',
  'node_modules/tags/runtime.js':
    'exports.jsx = exports.jsxs = (tag, props) => [tag, props]; exports.Fragment = "F";',
  'lib/shapes.ts':
    'export interface Shape { sides: number }\nexport type name = string;\nexport const square: Shape = { sides: 4 };\n',
  'lib/settings.ts': 'export const unit: string = "mm";\n',
  'lib/uses.ts': [
    'import { Shape, square, name } from "~lib/shapes";',
    'import Kinds, * as everything from "./kinds.js";',
    'const own: Shape = square;',
    'export const label: name = `${own.sides} ${Kinds}`;',
    '',
  ].join('\n'),
  'lib/index.ts': [
    'import { Shape } from "./shapes";',
    'import { square } from "./shapes";',
    'const area = square.sides',
    'import { unit } from "./settings"',
    '[unit].forEach(String);',
    'export { Shape, name as Label } from "./shapes";',
    'export * from "./passes-on";',
    'export { square, area };',
    '',
  ].join('\n'),
  'lib/passes-on.ts':
    'import { Shape, square } from "./shapes";\nenum Made { One }\nexport { Shape, square as again, Made };\nexport * from "./index";\n',
  'lib/kinds.ts': 'export default "sides";\n',
  'lib/fails.ts': [
    'import { Shape } from "./shapes";',
    'function seen(target: any, key: string) { (target.seen ??= []).push(key); }',
    'enum Level { Low = 1, High }',
    '',
    'export class Meter { constructor(public level = Level.High) {} @seen measure(): Shape { return this.broken(); }',
    '  broken(): never {',
    '    const much: Level = this.level;',
    '    throw new RangeError(`too much: ${much}`);',
    '  }',
    '}',
    '',
  ].join('\n'),
  'lib/broken.ts': 'export const a = 1;\nexport enum Odd {\n  A = ,\n}\n',
  'lib/old.cts':
    'import path = require("node:path");\nconst older = require("./older.cts");\nimport shapes = require("./shapes");\nexport = { separator: path.sep as string, older, sides: shapes.square.sides };\n',
  'lib/older.cts':
    'export const { join } = require("node:path") as typeof import("node:path");\nexport const age: number = 9;\n',
  'lib/plain.ts': 'const n: number = 4;\nmodule.exports = { n, folder: __dirname };\n',
  'lib/mixed.ts':
    'import data from "./data.json";\nexport const own = __filename;\nexport const total = data.total + require("./plain").n;\n',
  'lib/data.json': '{ "total": 38 }',
  'lib/modern.mts': 'export const modern: boolean = import.meta.url.endsWith("x");\n',
  'lib/view.tsx': 'export const View = ({ size }: { size: number }) => <b class="v">{size}</b>;\n',
  'lib/worker.ts':
    'import { parentPort } from "node:worker_threads";\nimport { unit } from "settings";\nenum K { A = 7 }\nparentPort!.postMessage([K.A, unit]);\n',
  'lib/only-types.d.ts': 'export interface Only { a: 1 }\n',
};

let kernel: TestKernel;
let folder: string;

function write(name: string, text: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}

beforeAll(async () => {
  folder = temporaryFolder('fovea-project-');
  for (const [name, text] of Object.entries(files)) write(name, text);
  mkdirSync(join(folder, 'lib/notebooks'));
  kernel = await TestKernel.start({ directory: join(folder, 'lib') });
});
afterAll(() => kernel.stop());

async function value(code: string): Promise<string | undefined> {
  const { result, error } = await kernel.execute(code);
  expect(error?.traceback.join('\n'), code).toBeUndefined();
  return result;
}

const failure = async (code: string) => {
  const { error } = await kernel.execute(code);
  expect(error, code).toBeDefined();
  return { ...error!, text: error!.traceback.join('\n') };
};

describe('local TypeScript files', () => {
  it('lose what they import and only types use', async () => {
    expect(await value('import { label } from "./uses"\nlabel')).toBe("'4 sides'");
    expect(await value('import { Shape, name, square } from "./shapes"\nconst s: Shape = square; s')).toBe(
      '{ sides: 4 }',
    );
    expect(await value('import { name } from "./shapes"\nconst n: name = "n"; n')).toBe("'n'");
    expect(await value('import { Only } from "./only-types"\nconst o: Only = { a: 1 }; o')).toBe('{ a: 1 }');
  });

  it('pass on values and types alike, in circles too', async () => {
    expect(await value('import * as all from "."\nObject.keys(all)')).toBe(
      "[ 'Made', 'again', 'area', 'square' ]",
    );
    expect(
      await value('const one = [5]\nconst two = one\nimport { area } from "."\n[area].map(String)\ntwo'),
    ).toBe('[ 5 ]');
  });

  it('have their own lines in tracebacks, however they were compiled', async () => {
    const { evalue, text } = await failure('import { Meter } from "./fails"\nnew Meter().measure()');
    expect(evalue).toBe('too much: 2');
    expect(text).toMatch(/at Meter\.broken \(.*\/lib\/fails\.ts:8:\d+\)/);
    expect(text).toMatch(/at Meter\.measure \(.*\/lib\/fails\.ts:5:\d+\)/);
    expect(text).toContain('line 2, column 13');
    expect(await value('(new Meter() as any).seen')).toBe("[ 'measure' ]");
  });

  it('are named with the place of what is wrong in them', async () => {
    const { ename, evalue, text } = await failure('\nimport "./broken"');
    expect(ename).toBe('SyntaxError');
    expect(evalue).toBe(`Unexpected "," (${join(folder, 'lib/broken.ts')}:3:7)`);
    expect(text).toContain('line 2');
  });

  it('may be of either module system, and ask for a query', async () => {
    expect(await value('import old from "./old.cts"\n[old.separator, old.older.age, old.sides]')).toBe(
      "[ '/', 9, 4 ]",
    );
    expect(await value('import { age, join } from "./older.cjs"\n[age, join("a", "b")]')).toBe(
      "[ 9, 'a/b' ]",
    );
    expect(await value('import plain from "./plain"\n[plain.n, plain.folder === import.meta.dirname]')).toBe(
      '[ 4, true ]',
    );
    expect(await value('import { total, own } from "./mixed.js"\n[total, own.endsWith("/mixed.ts")]')).toBe(
      '[ 42, true ]',
    );
    expect(await value('import { modern } from "./modern.mts?x"\nmodern')).toBe('true');
    expect(await value('const two = await import("./modern.mts?y=1")\ntwo.modern')).toBe('false');
    expect(await value('require("./shapes").square')).toBe('{ sides: 4 }');
    expect(await value('require("./fails.ts").Meter.name')).toBe("'Meter'");
  });

  it('run in workers', async () => {
    const run = (file: string) =>
      `await new Promise((resolve, reject) => { const w = new Worker(${file}); w.on('message', resolve); w.on('error', reject) })`;
    await kernel.execute('import { Worker } from "node:worker_threads"');
    expect(await value(run('"./worker.ts"'))).toBe("[ 7, 'mm' ]");
    expect(await value(run('new URL("./worker.ts", import.meta.url)'))).toBe("[ 7, 'mm' ]");
    expect(await value(run('"require(`worker_threads`).parentPort.postMessage(1)", { eval: true }'))).toBe(
      '1',
    );
  });
});

describe('the settings of a project', () => {
  it('lead aliases where they say, in cells and in files', async () => {
    expect(
      await value(
        'import { unit } from "settings"\nimport * as shapes from "~lib/shapes"\n[unit, shapes.square.sides]',
      ),
    ).toBe("[ 'mm', 4 ]");
    expect(await value('require("settings").unit')).toBe("'mm'");
    const missing = await failure('import "~lib/nothing"');
    expect(missing.evalue).toContain("an alias by '~lib/*'");
    expect(missing.evalue).toContain(join(folder, 'lib/nothing'));
    expect(missing.evalue).not.toContain('%npm');
    const unknown = await failure('import "@/nothing"');
    expect(unknown.evalue).toContain("it belongs in 'paths'");
    expect(unknown.evalue).not.toContain('%npm');
    expect((await failure('import "no-such-package/part"')).evalue).toContain('%npm install no-such-package');
  });

  it('say how decorators and fields are meant', async () => {
    const cell = [
      'const marks: string[] = []',
      'function mark(target: any, key: string) { marks.push(key) }',
      'function argument(target: any, key: any, index: number) { marks.push(`#${index}`) }',
      'class Entry { id!: number; @mark title = "t"; constructor(@argument public name = "n") {} }',
      '[marks, Object.keys(new Entry())]',
    ].join('\n');
    expect(await value(cell)).toBe("[ [ 'title', '#0' ], [ 'name', 'title' ] ]");
    expect(await value('class Plain { gone?: number; here = 1 }; new Plain()')).toBe('Plain { here: 1 }');
  });

  it('say what JSX means, unless the source does', async () => {
    expect(await value('import { View } from "./view"\nView({ size: 3 })')).toBe(
      "[ 'b', { class: 'v', children: 3 } ]",
    );
    expect(await value('<i>now</i>')).toBe("[ 'i', { children: 'now' } ]");
    expect(
      await value('/** @jsxRuntime classic */\n/** @jsx h */\nconst h = (...a: any[]) => a\n;<u>old</u>'),
    ).toBe("[ 'u', null, 'old' ]");
    expect((await kernel.execute('%who')).stdout).not.toMatch(/jsx/);
  });

  it('are read again when they change', async () => {
    write(
      'lib/tsconfig.json',
      '{ "compilerOptions": { "paths": { "settings": ["./notebooks/other.ts"] } } }',
    );
    write('lib/notebooks/other.ts', 'export const unit = "inch";\n');
    expect(await value('import { unit } from "settings"\nunit')).toBe("'inch'");
    expect(await value('class Later { gone?: number; here = 1 }; new Later()')).toBe(
      'Later { gone: undefined, here: 1 }',
    );
    expect(
      await value('const createElement = (...a: any[]) => a, React = { createElement }\n;<i>then</i>'),
    ).toBe("[ 'i', null, 'then' ]");
    expect(await value('/** @jsxImportSource tags */\n<i>pragma</i>')).toBe(
      "[ 'i', { children: 'pragma' } ]",
    );
  });

  it('refuse to emit the types of what decorators decorate, which nothing here could', async () => {
    write(
      'lib/tsconfig.json',
      '{ "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true } }',
    );
    const { evalue } = await failure('class Typed { @((t: any, k: string) => {}) a = 1 }');
    expect(evalue).toContain('emitDecoratorMetadata');
    expect(evalue).toContain(join(folder, 'lib/tsconfig.json'));
    expect(await value('class Untyped { a = 1 }; new Untyped()')).toBe('Untyped { a: 1 }');
  });
});

describe('a traceback', () => {
  it.each([
    ['enums', 'enum E { A, B }\n\nfunction f() {\n  throw new Error("x")\n}\nf()', 4],
    ['namespaces', 'namespace N {\n  export function f() {\n    throw new Error("x")\n  }\n}\nN.f()', 3],
    [
      'parameter properties',
      'class P { constructor(\n  public x: number,\n) {\n  throw new Error("x")\n} }\nnew P(1)',
      4,
    ],
    [
      'decorators',
      'function d(v: any, c: any) {}\nclass D {\n  @d m() {\n    throw new Error("x")\n  }\n}\nnew D().m()',
      4,
    ],
    [
      'JSX',
      'const h = (f: () => void) => f()\n/** @jsx h */\nconst F = () => {\n  throw new Error("x")\n}\n;<F a="b" />',
      4,
    ],
    [
      'a loop kept in locals',
      'let a = 0\nfor (let i = 0; i < 3; i++) {\n  a += i\n  if (i > 1) throw new Error("x")\n}',
      4,
    ],
    [
      'a loop that is not',
      'let b: any = {}\nfor (let i = 0; i < 3; i++) {\n  b += i\n  if (i > 1) throw new Error("x")\n}',
      4,
    ],
    [
      'top-level await',
      'enum F2 { A }\nawait null\nconst g = async () => {\n  throw new Error("x")\n}\nawait g()',
      4,
    ],
  ])('names the line of a cell with %s', async (_kind, code, line) => {
    write('lib/tsconfig.json', '{}');
    const { text } = await failure(code);
    expect(text).toContain(`line ${line}, column`);
    expect(text).toMatch(new RegExp(`^> +${line} \\| .*throw new Error`, 'm'));
  });
});

describe('type warnings', () => {
  it('know what a cell declared that failed or was stopped', async () => {
    const typed = await TestKernel.start({ environment: { FOVEA_TYPES: 'on' } });
    try {
      /** What is said of a cell that runs long enough to be checked meanwhile; a fault in it shows that it was. */
      const warnings = async (code: string) => {
        for (let ms = 100; ms < 30_000; ms *= 2) {
          const { stderr } = await typed.execute(
            `${code}\nnull satisfies 0\nawait new Promise((resolve) => setTimeout(resolve, ${ms}))`,
            { ms: 60_000 },
          );
          if (stderr !== '') return [...stderr.matchAll(/TS\d+/g)].map(String);
        }
        return [];
      };
      expect(await warnings('const wrong: string = 5')).toEqual(['TS2322', 'TS1360']);
      await typed.execute(
        'const early: number = 5\nfunction fails(): never { throw new Error("x") }\nconst late = fails()',
      );
      const cell = typed.start('let turns = 0\nwhile (true) turns++');
      await typed.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
      await typed.interrupt();
      await typed.finished(cell);
      expect(await warnings('early.toFixed(); turns.toFixed(); fails')).toEqual(['TS1360']);
      expect(await warnings('early.length')).toEqual(['TS2339', 'TS1360']);
    } finally {
      await typed.stop();
    }
  });
});
