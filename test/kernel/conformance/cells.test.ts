// @module-tag process
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';
import { sleep } from '../waiting.js';

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start({
    files: {
      'shape.ts':
        'import { SIDE } from "./constants";\nexport enum Kind { Round = 3 }\nexport const area = (n: number): number => n * SIDE;\n',
      'constants.ts': 'export const SIDE = 2;\n',
      'data.json': '{ "classes": 10 }',
      'late.mjs': 'export default "module"; export const named = 1;',
      'old.cjs': 'module.exports = { answer: 42, [["dyn", "amic"].join("")]: 7 };',
    },
  });
  const folder = join(kernel.directory, 'node_modules', 'esm-only');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    '{"name":"esm-only","version":"1.0.0","type":"module","exports":"./index.js"}',
  );
  writeFileSync(join(folder, 'index.js'), 'export const only = "esm";');
});
afterAll(() => kernel.stop());

/** The text of a cell's result; an error fails the test with its traceback. */
async function value(code: string): Promise<string | undefined> {
  const { result, error } = await kernel.execute(code);
  if (error) throw new Error(error.traceback.join('\n'));
  return result;
}

describe('declarations', () => {
  it('can be declared again as anything', async () => {
    const forms = [
      'let x = 1',
      'const x = 2',
      'var x = 3',
      'class x {}',
      'function x() {}',
      'let x: string = "s"',
      'enum x { A }',
      'const { x } = { x: 9 }',
      'const x = await 10',
    ];
    for (const first of forms)
      for (const second of forms) {
        await value(first);
        await value(second);
      }
    expect(await value('x')).toBe('10');
  });

  it('are seen by functions of earlier cells', async () => {
    await value('function helper() { return "old" }\nconst call = () => helper()');
    await value('await 0; function helper() { return "new" }');
    expect(await value('call()')).toBe("'new'");
  });

  it('start from nothing when they have no value', async () => {
    await value('let counter = 5');
    expect(await value('let counter; counter')).toBeUndefined();
    expect(await value('counter === undefined')).toBe('true');
  });

  it('may shadow what Node has in its global scope', async () => {
    expect(
      await value(
        'const crypto = "mine"; const performance = 1; const name = "n"; [crypto, performance, name]',
      ),
    ).toBe("[ 'mine', 1, 'n' ]");
    const own = await TestKernel.start();
    for (const name of [
      'process',
      'console',
      'Buffer',
      'setTimeout',
      'queueMicrotask',
      'AbortController',
      'URL',
      'display',
    ]) {
      expect([name, (await own.execute(`const ${name} = "own"; ${name}`)).result]).toEqual([name, "'own'"]);
      expect([name, (await own.execute(`await 0; ${name}`)).result]).toEqual([name, "'own'"]);
    }
    await own.stop();
  });

  it('may not replace what the language itself is made of', async () => {
    expect((await kernel.execute('class Map {}')).error!.evalue).toContain("'Map' is part of the language");
    expect(await value('{ class Map { size = 3 } console.log(new Map().size) }')).toBeUndefined();
  });

  it('reach the global scope from destructuring, blocks and loops, with and without await', async () => {
    expect(
      await value('const { a, b: [c = 4, ...d], ...e } = { a: 1, b: [undefined, 5, 6], f: 7 }; [a, c, d, e]'),
    ).toBe('[ 1, 4, [ 5, 6 ], { f: 7 } ]');
    await value(
      'await 0; if (true) { var inner = 1 }\nfor (var i = 0, n = 3; i < n; i++) {}\nfor (var last of [1, 2]) ;\nfor (var key in { k: 1 }) ;\nif (true) var { picked } = { picked: 8 }; else var other = 1\nswitch (1) { case 1: var cased = 2 }',
    );
    expect(await value('[inner, i, n, last, key, picked, other, cased]')).toBe(
      "[ 1, 3, 3, 2, 'k', 8, undefined, 2 ]",
    );
    await value('if (true) { var sync = 1 }');
    expect(await value('sync')).toBe('1');
  });

  it('keeps the value of a var declared again without one', async () => {
    await value('var kept = 4');
    expect(await value('var kept; kept')).toBe('4');
    expect(await value('await 0; var kept; kept')).toBe('4');
  });
});

describe('TypeScript', () => {
  it('loses its types without moving anything', async () => {
    expect(
      await value(
        'interface P<T> { a: T }\ntype Q = P<number>;\nabstract class A<T> { abstract f(): T; protected readonly y!: number }\nconst p = { a: 1 } as Q satisfies Q;\nfunction id<T>(v: T): T { return v }\nid<number>(p!.a)',
      ),
    ).toBe('1');
  });

  it('compiles enums, namespaces and parameter properties, which start afresh each time', async () => {
    expect(await value('enum E { A, B = 5 }\nE.B')).toBe('5');
    expect(await value('enum E { C }\nJSON.stringify(E)')).toBe(`'{"0":"C","C":0}'`);
    expect(
      await value(
        'namespace N { export const one = 1; export const two = 2 }\nnamespace N { export const three = 3 }\nN.three',
      ),
    ).toBe('3');
    expect(await value('namespace N { export const four = 4 }\nObject.keys(N)')).toBe("[ 'four' ]");
    expect(
      await value(
        'class Point { constructor(readonly x: number, private y = 2) {} sum() { return this.x + this.y } }\nnew Point(1).sum()',
      ),
    ).toBe('3');
  });

  it('compiles decorators, accessors and JSX', async () => {
    const { stdout, result } = await kernel.execute(
      'function log(target: any, context: any) { console.log(context.kind, context.name); return target }\n' +
        '@log class Decorated { accessor level = 3; @log method() { return this.level } }\nnew Decorated().method()',
    );
    expect(stdout).toBe('method method\nclass Decorated\n');
    expect(result).toBe('3');
    expect(
      await value(
        'const React = { createElement: (...parts: unknown[]) => parts };\nconst node = <b title="t">text</b>;\nnode',
      ),
    ).toBe("[ 'b', { title: 't' }, 'text' ]");
  });

  it('disposes of a top-level using when its name is used again, of others at the end of their block', async () => {
    const resource = (name: string) => `{ [Symbol.dispose]() { console.log('${name} disposed') } }`;
    expect((await kernel.execute(`using held = ${resource('first')};`)).stdout).toBe('');
    expect((await kernel.execute(`using held = ${resource('second')};`)).stdout).toBe('first disposed\n');
    expect((await kernel.execute(`{ using inner = ${resource('block')}; console.log('in') }`)).stdout).toBe(
      'in\nblock disposed\n',
    );
    expect(
      (
        await kernel.execute(
          'await using later = { async [Symbol.asyncDispose]() { console.log("async") } };',
        )
      ).stdout,
    ).toBe('');
    expect((await kernel.execute('%reset')).stdout).toContain('async\nsecond disposed');
  });

  it('takes a lone object literal for an object, and a block for a block', async () => {
    expect(await value('{ a: 1, b: 2 }')).toBe('{ a: 1, b: 2 }');
    expect(await value('{ a: 1 }')).toBe('{ a: 1 }');
    expect((await kernel.execute('{ const inside = 1; console.log(inside) }')).stdout).toBe('1\n');
  });
});

describe('results', () => {
  it('shows the last expression unless it ends in a semicolon', async () => {
    expect(await value('1; 2')).toBe('2');
    expect(await value('2;')).toBeUndefined();
    expect(await value('const y = 3')).toBeUndefined();
    expect(await value('undefined')).toBeUndefined();
    expect(await value('await Promise.resolve(4)')).toBe('4');
    expect(await value('enum Z { A = 6 }\nZ.A // comment')).toBe('6');
    expect(await value('enum Z { A = 6 }\nZ.A;')).toBeUndefined();
    expect(await value('3 // a comment; with a semicolon;')).toBe('3');
  });

  it('keeps results in _, Out and out, and sources in In', async () => {
    const { reply } = await kernel.execute('6 * 7');
    const n = reply.execution_count;
    expect(await value(`[_, Out[${n}], out[${n}], In[${n}]]`)).toBe("[ 42, 42, 42, '6 * 7' ]");
    await value('const _ = "own"');
    await value('5');
    expect(await value('_')).toBe("'own'");
  });
});

describe('modules', () => {
  it('imports what Node has, statically and dynamically', async () => {
    expect(
      await value(
        'import { join } from "node:path"; import os, { cpus as processors } from "os"; [join("a", "b"), typeof os.cpus, typeof processors]',
      ),
    ).toBe("[ 'a/b', 'function', 'function' ]");
    expect(await value('const fs = await import("node:fs"); typeof fs.readFileSync')).toBe("'function'");
    expect(await value('import * as path from "path"; typeof path.resolve')).toBe("'function'");
  });

  it('finds packages from the notebook’s folder upward, ESM and CommonJS', async () => {
    expect(await value('import { only } from "esm-only"; only')).toBe("'esm'");
    expect(
      await value('import old, { answer, dynamic } from "./old.cjs"; [old.answer, answer, dynamic]'),
    ).toBe('[ 42, 42, 7 ]');
    expect(await value('require("./old.cjs").answer')).toBe('42');
    expect(await value('import main, { named } from "./late.mjs"; [main, named]')).toBe("[ 'module', 1 ]");
    expect(await value('import data from "./data.json"; data.classes')).toBe('10');
    expect(await value('import same from "./data.json" with { type: "json" }; same.classes')).toBe('10');
  });

  it('imports local TypeScript, and an edited file again, also one that it imports', async () => {
    expect(await value('import { area, Kind } from "./shape"; [area(5), Kind.Round]')).toBe('[ 10, 3 ]');
    await sleep(20);
    writeFileSync(join(kernel.directory, 'constants.ts'), 'export const SIDE = 100;\n');
    expect(await value('import { area } from "./shape.js"; area(5)')).toBe('500');
  });

  it('always finds the engine and the kernel that it came with', async () => {
    expect(
      await value(
        'import { FoveaError } from "@fovea/engine"; import { display as show } from "@fovea/kernel"; [FoveaError.name, typeof show]',
      ),
    ).toBe("[ 'FoveaError', 'function' ]");
    const entries = ['predict', 'train', 'onnx', 'backend'];
    const names = ['calibrate', 'fitMaskers', 'toOnnx', 'getBackend'];
    const imports = entries
      .map((entry, i) => `import { ${names[i]} } from "@fovea/engine/${entry}";`)
      .join('');
    expect(await value(`${imports}[${names}].map((it) => typeof it).join()`)).toBe(
      "'function,function,function,function'",
    );
  });

  it('accepts imported types that exist for the compiler only', async () => {
    expect(
      await value(
        'import { FoveaError, FoveaErrorCode } from "@fovea/engine"; const code: FoveaErrorCode = "io"; code',
      ),
    ).toBe("'io'");
  });

  it('may have lines that end as on Windows', async () => {
    const shell = await kernel.execute('%%bash\r\nx=1\r\nif [ $x = 1 ]; then\r\n  echo "is $x"\r\nfi\r\n');
    expect(shell.stdout).toBe('is 1\n');
    expect(await value('%time\r\n%who\r\nlet ended = `a\r\nb`\r\nended.length')).toBe('3');
    const { error } = await kernel.execute('enum Ends {\r\n  A,\r\n}\r\nthrow new Error("x")\r\n');
    expect(error!.traceback.join('\n')).toMatch(/line 4[\s\S]*\n> +4 \| throw new Error\("x"\)\n/);
  });

  it('says what is wrong with an import, and where', async () => {
    const missing = await kernel.execute('\nimport { nothing } from "no-such-package"; nothing');
    expect(missing.error!.evalue).toContain("Cannot find the package 'no-such-package'");
    expect(missing.error!.evalue).toContain('%npm install no-such-package');
    expect(missing.error!.traceback.join('\n')).toContain('line 2');
    const name = await kernel.execute('import { reedFile } from "node:fs"; reedFile');
    expect(name.error!.evalue).toContain("no export named 'reedFile'");
    expect(name.error!.traceback.join('\n')).toMatch(/In\[\d+\], line 1, column 1/);
    const file = await kernel.execute('import "./absent.js"');
    expect(file.error!.evalue).toContain('absent.js');
  });

  it('knows import.meta as a module in the notebook’s folder would', async () => {
    expect(
      await value(
        'import.meta.dirname === process.cwd() && import.meta.url.startsWith("file:") && import.meta.resolve("./data.json").endsWith("/data.json")',
      ),
    ).toBe('true');
  });

  it('takes exports for declarations', async () => {
    await value(
      'export const exported = 1; export default function standard() { return 2 }\nexport { exported as again }',
    );
    expect(await value('[exported, standard()]')).toBe('[ 1, 2 ]');
    await value(
      'export * from "./constants"; export { SIDE as edge } from "./constants"; export * as all from "./constants"',
    );
    expect(await value('[SIDE, edge, all.SIDE]')).toBe('[ 100, 100, 100 ]');
  });
});

describe('magics', () => {
  it('times, lists, resets, loads, runs shells', async () => {
    expect((await kernel.execute('%time 1 + 1')).stdout).toMatch(/^Time: [\d.e-]+ ms\n$/);
    expect((await kernel.execute('%%time\nlet q = 1\nq')).result).toBe('1');
    expect((await kernel.execute('%%bash\necho out; echo err >&2')).stdout).toBe('out\n');
    const failed = await kernel.execute('%%bash\nexit 3');
    expect(failed.error!.evalue).toContain('exit code 3');
    await value('const listed: number[] = [1, 2]');
    expect((await kernel.execute('%who')).stdout).toMatch(/^listed +Array +\[ 1, 2 \]$/m);
    expect((await kernel.execute('%reset')).stdout).toMatch(/^forgot \d+ variables/m);
    expect((await kernel.execute('%who')).stdout).toBe('no variables\n');
    expect((await kernel.execute('%load constants.ts')).reply.payload).toEqual([
      { source: 'set_next_input', text: 'export const SIDE = 100;\n', replace: true },
    ]);
    expect((await kernel.execute('%npm --version')).stdout).toMatch(/^\d+\.\d+/);
  });

  it('refuses unknown magics with the list of those there are', async () => {
    const { error } = await kernel.execute('%frobnicate');
    expect(error).toMatchObject({ ename: 'UsageError' });
    expect(error!.evalue).toContain('%time');
    expect((await kernel.execute('%%frobnicate')).error!.ename).toBe('UsageError');
    expect((await kernel.execute('%strict maybe')).error!.evalue).toContain("'on' or 'off'");
  });

  it('leaves the operator alone', async () => {
    expect(await value('7\n% 4')).toBe('3');
  });
});

describe('type errors', () => {
  it('are warnings with line, column and source, and stop a cell only when %strict is on', async () => {
    const own = await TestKernel.start({ environment: { FOVEA_TYPES: 'on' } });
    try {
      await own.request('shell', 'complete_request', { code: 'Math.', cursor_pos: 5 });
      const wrong = 'const fine = 1;\nconst wrong: number = "text";\nwrong';
      const warned = own.start(wrong);
      const warning = await own.wait(
        ({ type, parent, content }) =>
          type === 'stream' && parent.msg_id === warned && content.name === 'stderr',
      );
      expect(warning.content.text).toContain('TS2322 (line 2, column 7)');
      expect(warning.content.text).toContain('const wrong: number');
      expect((await own.finished(warned)).result).toBe("'text'");
      const strict = await own.execute(`%strict on\n${wrong}; var ran = 1`);
      expect(strict.error!.ename).toBe('TypeScriptError');
      expect(strict.error!.traceback.join('\n')).toContain('line 3, column 7');
      expect((await own.execute('%strict off\ntypeof ran')).result).toBe("'undefined'");
    } finally {
      await own.stop();
    }
  });

  it('are reported for each cell when many run at once, and all their types are known right after', async () => {
    const own = await TestKernel.start({ environment: { FOVEA_TYPES: 'on' } });
    try {
      const ids = Array.from({ length: 40 }, (_, i) =>
        own.start(
          i % 10 === 7
            ? `const n${i}: string = ${i}`
            : `const n${i} = { of${i}: ${i} }\nfor (const k in n${i}) k`,
        ),
      );
      for (const id of ids) await own.finished(id);
      const { content } = await own.request('shell', 'inspect_request', { code: 'n38', cursor_pos: 3 });
      // What is known by its type, not by its living value.
      expect(content.data['text/plain']).toMatch(/n38: \{\s*of38: number/);
      const warned = () =>
        own.heard
          .filter(({ type, content: { name } }) => type === 'stream' && name === 'stderr')
          .map(({ parent, content: { text } }) => [ids.indexOf(parent.msg_id), text.includes('TS2322')]);
      await expect.poll(() => warned().length, { timeout: 20_000 }).toBe(4);
      expect(warned()).toEqual([7, 17, 27, 37].map((index) => [index, true]));
    } finally {
      await own.stop();
    }
  });
});
