// @module-tag process
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LanguageService } from '../../../kernel/src/language/service.js';

let directory: string;
let service: LanguageService;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fovea-language-'));
  writeFileSync(join(directory, 'helper.ts'), 'export const help = (n: number) => n + 1;\n');
  mkdirSync(join(directory, 'node_modules/leftpad'), { recursive: true });
  writeFileSync(
    join(directory, 'node_modules/leftpad/package.json'),
    JSON.stringify({ name: 'leftpad', version: '1.0.0', main: 'index.js', types: 'index.d.ts' }),
  );
  writeFileSync(
    join(directory, 'node_modules/leftpad/index.d.ts'),
    'export declare function leftpad(text: string): string;\n',
  );
  service = new LanguageService({ directory });
});

afterEach(() => service.reset());

afterAll(() => {
  service.dispose();
  rmSync(directory, { recursive: true });
});

/** Completions at the end of the code, or where `|` stands in it. */
async function completions(code: string, live?: Parameters<LanguageService['complete']>[2]) {
  const at = code.includes('|') ? [...code.slice(0, code.indexOf('|'))].length : [...code].length;
  return service.complete(code.replace('|', ''), at, live);
}

async function inspected(code: string, level: 0 | 1 = 0) {
  const at = [...code.slice(0, code.indexOf('|'))].length;
  return service.inspect(code.replace('|', ''), at, level);
}

const messages = async (code: string) =>
  (await service.diagnose(code)).map(({ code: number, message }) => `TS${number} ${message}`);

describe('completion', () => {
  it('offers members of typed values, best first, with the range that they replace', async () => {
    const { matches, cursorStart, cursorEnd, metadata } = await completions('Math.sq');
    // What is written the same way comes before what differs in case.
    expect(matches).toEqual(['sqrt', 'SQRT1_2', 'SQRT2']);
    expect([cursorStart, cursorEnd]).toEqual([5, 7]);
    expect(metadata._jupyter_types_experimental[0]).toEqual({
      text: 'sqrt',
      type: 'method',
      start: 5,
      end: 7,
    });
  });

  it('knows the parameters of a lambda from where it is passed', async () => {
    const { matches } = await completions('["a", "b"].map((word) => word.toUp|)');
    expect(matches).toEqual(['toUpperCase']);
  });

  it('counts code points, not UTF-16 units', async () => {
    const { matches, cursorStart } = await completions('const s = "🦊🦊"; s.char');
    expect(matches).toContain('charCodeAt');
    expect(cursorStart).toBe(18);
  });

  it('sees what earlier cells declared, types included', async () => {
    await service.commit(
      'interface Point { across: number; down: number }\nconst origin: Point = { across: 0, down: 0 };',
    );
    expect((await completions('origin.')).matches).toEqual(['across', 'down']);
    expect((await completions('const p: Point = { acr')).matches).toEqual(['across']);
    expect((await completions('orig')).matches).toContain('origin');
  });

  it('follows a redefinition with another type', async () => {
    await service.commit('const box = { first: 1 }');
    await service.commit('const box = { second: 1 }');
    expect((await completions('box.')).matches).toEqual(['second']);
  });

  it('completes optional properties, in options, of values and as quoted keys', async () => {
    await service.commit(
      'interface Options { granularity?: number; masker?: "learned" | "random"; "a key"?: 1 }\nfunction go(options?: Options) {}',
    );
    expect((await completions('go({ gran| })')).matches).toEqual(['granularity']);
    expect((await completions('go({ masker: "random", gran')).matches).toEqual(['granularity']);
    expect((await completions('go({ "a')).matches).toEqual(['a key']);
    expect((await completions('const options: Options = {}; options.gran')).matches).toEqual(['granularity']);
  });

  it('completes packages, files and built-in modules in imports', async () => {
    expect((await completions('import { x } from "node:f|"')).matches).toContain('node:fs');
    expect((await completions('import { x } from "leftp|"')).matches).toContain('leftpad');
    expect((await completions('import { x } from "./he|"')).matches.join()).toMatch(/^\.\/helper/);
  });

  it('completes keys inside brackets and quotes', async () => {
    await service.commit('const sizes = { small: 1, large: 2 };');
    expect((await completions('sizes["')).matches).toEqual(expect.arrayContaining(['small', 'large']));
  });

  it('offers what Node has, not what browsers have', async () => {
    expect((await completions('Buff')).matches).toContain('Buffer');
    expect((await completions('docu')).matches).not.toContain('document');
  });

  it('knows what Node has and its types leave to the library of browsers', async () => {
    expect(await messages('[WebAssembly, Performance, Crypto, CryptoKey, SubtleCrypto]')).toEqual([]);
    expect(
      await messages(
        'const memory = new WebAssembly.Memory({ initial: 1 }); const bytes: number = memory.buffer.byteLength;\nconst key: CryptoKey | undefined = undefined; const p: Performance = performance; p.now();',
      ),
    ).toEqual([]);
    expect(await messages('new WebAssembly.Memory({ initial: "1" })')).toHaveLength(1);
  });

  it('offers the notebook’s own globals with their types', async () => {
    expect((await completions('fovea.showM')).matches).toContain('showMasks');
    expect((await completions('displ')).matches).toContain('display');
    expect((await inspected('passwo|rd')).data['text/plain']).toContain('password(message?: string): string');
    expect(
      await messages(
        'display(1).update(2); html("<b>1</b>"); fovea.signal?.aborted; comms.open("x").close();',
      ),
    ).toEqual([]);
    expect((await completions('import { blocksO| } from "@fovea/engine"')).matches).toContain('blocksOf');
    expect((await completions('import { searchG| } from "@fovea/engine/predict"')).matches).toContain(
      'searchGranularity',
    );
    const entries = (await completions('import { X } from "@fovea/engine/|"')).matches;
    expect(entries).toContain('@fovea/engine/train');
    expect(entries).not.toContain('@fovea/engine/internal');
    const ofKernel = (await completions('import { X } from "@fovea/kernel/|"')).matches;
    expect(ofKernel).not.toContain('@fovea/kernel/presentation');
  });

  it('sees what cells declared that were taken together', async () => {
    expect(
      await service.commitTogether([
        'interface Size { wide: number } // a comment',
        'const size: Size = { wide: 1 }',
        '(size.wide + 1).toFixed()',
        'let label = `x`\nfor (const letter of label) { const nested = letter }',
      ]),
    ).toBe(true);
    expect((await completions('size.')).matches).toEqual(['wide']);
    expect(await messages('label = "y"; const s: Size = size; s')).toEqual([]);
    expect(await messages('nested')).toEqual(["TS2304 Cannot find name 'nested'."]);
    expect(await service.commitTogether(['const fine = 1', 'const odd: string = 2'])).toBe(false);
    expect((await completions('fin')).matches).not.toContain('fine');
  });

  it('adds what living values have and types do not know', async () => {
    await service.commit('const data: any = JSON.parse(\'{"weight": 1}\');');
    const asked: string[] = [];
    const live = {
      properties: async (chain: string) => {
        asked.push(chain);
        return [{ name: 'weight', type: 'property' }, { name: 'not an identifier' }];
      },
    };
    expect((await completions('data.we', live)).matches).toEqual(['weight']);
    expect((await completions('f(data?.inner[0].', live)).matches).toContain('weight');
    expect((await completions('make().', live)).matches).toEqual([]);
    expect(asked).toEqual(['data', 'data.inner[0]']);
  });

  it('does not wait for living values that do not come', async () => {
    const live = { properties: () => new Promise<never>(() => undefined) };
    expect((await completions('Math.sq', live)).matches[0]).toBe('sqrt');
    const failing = { properties: () => Promise.reject(new Error('gone')) };
    expect((await completions('Math.sq', failing)).matches[0]).toBe('sqrt');
  });

  it('offers nothing inside a comment and survives code that is torn off', async () => {
    expect((await completions('// Math.sq')).matches).toEqual([]);
    expect((await completions(['function f( { const x = `$', '{Math.sq'].join(''))).matches[0]).toBe('sqrt');
    expect((await service.complete('x', 99)).matches).toBeInstanceOf(Array);
  });
});

describe('inspection', () => {
  it('shows signature and documentation as markdown and as text', async () => {
    await service.commit(
      '/** Adds two numbers.\n * @param a the first */\nfunction add(a: number, b = 2): number { return a + b; }',
    );
    const { found, data } = await inspected('ad|d(1)');
    expect(found).toBe(true);
    expect(data['text/markdown']).toMatch(
      /^```typescript\nfunction add\(a: number, b\?: number\): number\n```\nAdds two/,
    );
    expect(data['text/plain']).toMatch(/^function add\(a: number, b\?: number\): number\nAdds two numbers\./);
  });

  it('shows the signature of the call that the cursor is in', async () => {
    const { data } = await inspected('parseInt("1", | )');
    expect(data['text/plain']).toContain('parseInt(string: string, radix?: number): number');
  });

  it('adds the source of the declaration at the second level', async () => {
    await service.commit('class Counter {\n  count = 0;\n  next() { return ++this.count; }\n}');
    const { data } = await inspected('new Count|er()', 1);
    expect(data['text/plain']).toContain('next() { return ++this.count; }');
    expect(data['text/plain']).not.toContain('export {');
  });

  it('does not show how cells are stitched together', async () => {
    await service.commit('interface Point { x: number }');
    await service.commit('const points: Point[] = [];');
    const { data } = await inspected('point|s');
    expect(data['text/plain']).toBe('const points: Point[]');
  });

  it('finds nothing where nothing is', async () => {
    expect(await inspected('  |  ')).toEqual({ found: false, data: {}, metadata: {} });
  });
});

describe('type checking', () => {
  it('names the place in the cell', async () => {
    expect(await service.diagnose('let a = 1;\nlet b: string = a;')).toEqual([
      {
        severity: 'error',
        code: 2322,
        message: "Type 'number' is not assignable to type 'string'.",
        start: { line: 1, column: 4 },
        end: { line: 1, column: 5 },
      },
    ]);
  });

  it('lets later cells assign to variables, and checks the type', async () => {
    await service.commit('let count = 0; const fixed = 1;');
    expect(await messages('count = 5; count++;')).toEqual([]);
    expect(await messages('count = "five";')).toEqual([
      "TS2322 Type 'string' is not assignable to type 'number'.",
    ]);
    expect(await messages('fixed = 2;')).toEqual([
      "TS2588 Cannot assign to 'fixed' because it is a constant.",
    ]);
  });

  it('lets any name be declared again as anything', async () => {
    await service.commit('const a = 1; class K {}\nfunction f() {}\nenum E { X }');
    expect(await messages('let a = "x"; function K() {} const f = 1; interface E { y: number }')).toEqual([]);
  });

  it('distinguishes a nested name from one of the top level', async () => {
    await service.commit('const result = 41;');
    expect(await messages('for (const result of [1]) console.log(result);\nresult.toFixed(1);')).toEqual([]);
    await service.commit('if (true) { const hidden = 1; var seen = 2; }');
    expect(await messages('seen;')).toEqual([]);
    expect(await messages('hidden;')).toEqual(["TS2304 Cannot find name 'hidden'."]);
  });

  it('carries generics, classes, enums, namespaces, aliases and imports from cell to cell', async () => {
    await service.commit(
      'import { readFileSync as read, type Stats } from "node:fs";\nimport * as path from "node:path";\nimport { help } from "./helper.ts";',
    );
    await service.commit(
      'interface Box<T> { value: T }\ntype Pair<T> = [T, T];\nabstract class Base<T> { abstract get(): T }\nenum Colour { Red }\nnamespace N { export const q = 1 }\nconst { a, nested: [b = 2, ...rest] } = { a: 1, nested: [3, 4] };',
    );
    const code = [
      'const box: Box<number> = { value: help(1) };',
      'const pair: Pair<Colour> = [Colour.Red, Colour.Red];',
      'class Derived extends Base<string> { get() { return path.join(read("x", "utf8"), String(N.q + a + b + rest[0]!)); } }',
      'let stats: Stats | undefined;',
    ].join('\n');
    expect(await messages(code)).toEqual([]);
    await service.commit(code);
    expect(await messages('const wrong: number = new Derived().get(); box.value.toFixed();')).toEqual([
      "TS2322 Type 'string' is not assignable to type 'number'.",
    ]);
  });

  it('allows top-level await, and warns of names that do not exist', async () => {
    expect(await messages('const text = await Promise.resolve("x"); text.length;')).toEqual([]);
    expect(await messages('nowhere;')).toEqual(["TS2304 Cannot find name 'nowhere'."]);
  });

  it('takes quick cells as they are written', async () => {
    const code = [
      'const area = (w, h) => w * h;',
      'try { area(1, 2); } catch (error) { error.message; }',
      'class Point { x: number; y: number }',
      "const data = require('./data.json');",
    ].join('\n');
    expect(await messages(code)).toEqual([]);
  });

  it('does not check JSX, whose tags look like type assertions', async () => {
    expect(await messages('const view = <div className="x">{1 + 1}</div>;')).toEqual([]);
    expect(await messages('const ratio: string = 3 / 4; // </b>')).toHaveLength(1);
  });

  it('says nothing of generated lines when the cell is cut short', async () => {
    const found = await service.diagnose('const a = `open');
    expect(found.every(({ start }) => start.line === 0)).toBe(true);
  });

  it('checks against the engine’s types', async () => {
    expect(
      await messages('import { Tensor } from "@fovea/engine";\nnew Tensor([1, 2], new Float32Array(2));'),
    ).toEqual([expect.stringMatching(/^TS2345/)]);
  });
});

describe('the service itself', () => {
  it('forgets everything on reset', async () => {
    await service.commit('const remembered = 1;');
    service.reset();
    expect(await messages('remembered;')).toEqual(["TS2304 Cannot find name 'remembered'."]);
  });

  it('starts a new server when the old one has died, and still knows all cells', async () => {
    await service.commit('const survivor = { arms: 2 };');
    const before = service.serverPid!;
    process.kill(before, 'SIGKILL');
    expect((await completions('survivor.')).matches).toEqual(['arms']);
    expect(service.serverPid).not.toBe(before);
  });

  it('answers requests that come all at once, each for its own code', async () => {
    const answers = await Promise.all([
      completions('Math.sq'),
      completions('JSON.str'),
      messages('let n: number = "x";'),
      completions('Array.isA'),
    ]);
    expect(answers.map((answer) => ('matches' in answer ? answer.matches[0] : answer.length))).toEqual([
      'sqrt',
      'stringify',
      1,
      'isArray',
    ]);
  });

  it('keeps a long notebook small: cells that no name leads to are dropped', async () => {
    for (let i = 0; i < 30; i++) await service.commit(`const step = ${i}; const last${i % 3} = step;`);
    expect((await completions('step.toF')).matches).toEqual(['toFixed']);
    expect(await messages('last0 + last1 + last2 + step;')).toEqual([]);
  });

  it('answers nothing, and throws nothing, once it is disposed', async () => {
    const other = new LanguageService({ directory });
    expect((await other.complete('Math.sq', 7)).matches[0]).toBe('sqrt');
    other.dispose();
    expect((await other.complete('Math.sq', 7)).matches).toEqual([]);
    expect(await other.diagnose('let n: number = "x"')).toEqual([]);
  });
});
