// @module-tag process
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { withoutData } from '../../../kernel/src/language/data-summary.js';
import { LspClient } from '../../../kernel/src/language/lsp-client.js';
import { LanguageService } from '../../../kernel/src/language/service.js';

const many = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));
const words = (code: string) => code.replace(/\s+/g, ' ');

const records = (count: number) =>
  many(count, (i) => `{ id: ${i}, name: "name ${i}", at: new Date(${i}), tags: ["a", 'b'] }`).join(',\n');

describe('code without its data', () => {
  it('is the code itself when there is little of it, or nothing but code', () => {
    const short = `const a = [${records(100)}];`;
    expect(withoutData(short)).toBe(short);
    const code = many(
      3000,
      (i) => `function f${i}(a = [1, 2], { b } = { b: 3 }) { return a[${i}] + b; }`,
    ).join('\n');
    expect(withoutData(code)).toBe(code);
  });

  it('keeps the first elements of a list and one of every structure, and all places', () => {
    const odd = '{ id: "last", other: null }';
    const code = `const before = 1;\nconst rows = [${records(5000)},\n${odd}];\nconst after = before;`;
    const result = withoutData(code);
    expect(result.length).toBe(code.length);
    expect(result.split('\n').length).toBe(code.split('\n').length);
    expect(result.indexOf('const after')).toBe(code.indexOf('const after'));
    expect(words(result)).toBe(
      `const before = 1; const rows = [${words(records(16))}, ${odd}]; const after = before;`,
    );
  });

  it('goes into data inside data', () => {
    const code = `const plot = { kind: 'line', y: [${many(20_000, String)}], x: { inner: [${many(20_000, (i) => -i)}] } };`;
    expect(words(withoutData(code))).toBe(
      `const plot = { kind: 'line', y: [${many(16, String)}, ], x: { inner: [${many(16, (i) => -i)}, ] } };`,
    );
  });

  it('makes a table of a great many keys a value of any type', () => {
    const code = `const table: Record<string, number> = {\n${many(10_000, (i) => `  "key ${i}": ${i}`).join(',\n')}\n};`;
    const result = withoutData(code);
    expect(words(result)).toBe('const table: Record<string, number> = (0 as any) ;');
    expect(result.split('\n').length).toBe(code.split('\n').length);
  });

  it('leaves alone what is no data, or is needed for its types', () => {
    const list = many(20_000, (i) => `'word ${i}'`).join(', ');
    for (const code of [
      `const a = [${list}] as const;`,
      `const a = { list: [${list}], more: f() } as const;`,
      `const a = [${list}] satisfies string[];`,
      `type Names = [${list}];`,
      `const a = f\`[${list}]\`;`,
      `const a = "${list.replaceAll("'", '')}";`,
      `const a = [${list}, ...others];`,
      `const a = [${list}, (x: number) => x];`,
      `// [${list}]`,
      `const a = [${list}`,
    ])
      expect(withoutData(code)).toBe(code);
  });

  it('is not led astray by quotes, comments and depth', () => {
    const list = `[${many(20_000, String)}]`;
    const short = `[${many(16, String)}, ]`;
    const around = (data: string) =>
      `const q = /['"\`]/.test("it's"); // don't\n/* [1, 2 */ const a = ${data}; const b = \`\${[1, 2]}\`;`;
    expect(words(withoutData(around(list)))).toBe(words(around(short)));
    const deep = `const a = ${'['.repeat(60_000)}${']'.repeat(60_000)}`;
    expect(withoutData(deep)).toBe(deep);
  });
});

describe('the language service', () => {
  let service: LanguageService;
  beforeAll(() => {
    service = new LanguageService({ directory: tmpdir() });
  });
  afterEach(() => service.reset());
  afterAll(() => service.dispose());

  /** Runs a cell, as far as the service is concerned; then completes at the end of another. */
  async function timed(cell: string, next: string) {
    await service.commit('const small = { alpha: 1 };');
    expect((await service.complete('small.', 6)).matches).toContain('alpha');
    const found = await service.diagnose(cell);
    const startedMs = performance.now();
    await service.commit(cell);
    const { matches } = await service.complete(next, next.length);
    return { found, matches, elapsedMs: performance.now() - startedMs };
  }

  it('takes time in proportion to the declarations before', async () => {
    const cellOf = (count: number) => many(count, (i) => `const value${i} = ${i};`).join('\n');
    await timed(cellOf(100), 'value9');
    // The shortest of times that were taken in turns: other load disturbs some of them, and of both alike.
    let [fewMs, manyMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let turn = 0; turn < 3; turn++) {
      await service.reset();
      fewMs = Math.min(fewMs, (await timed(cellOf(1500), 'value149')).elapsedMs);
      await service.reset();
      const { found, matches, elapsedMs } = await timed(cellOf(12_000), 'value1199');
      expect(found).toEqual([]);
      expect(matches).toEqual(['value1199', ...many(10, (i) => `value1199${i}`)]);
      manyMs = Math.min(manyMs, elapsedMs);
    }
    // Eight times as many: looking through all text for each would take 64 times as long.
    expect(manyMs / fewMs).toBeLessThan(24);
  });

  it('gives the language server little of 2 MB of data, and knows its type', async () => {
    const notify = vi.spyOn(LspClient.prototype, 'notify');
    const cell = `const rows = [${records(27_000)}];\nconst wrong: string = rows[0].id;`;
    expect(cell.length).toBeGreaterThan(1_900_000);
    await service.commit('const small = { alpha: 1 };');
    const found = await service.diagnose(cell);
    expect(found.map(({ code, start }) => [code, start])).toEqual([[2322, { line: 27_000, column: 6 }]]);
    await service.commit(cell);
    const { matches } = await service.complete('rows[0].', 8);
    expect(matches).toEqual(expect.arrayContaining(['id', 'name', 'at', 'tags']));
    const given = notify.mock.calls.map((call) => words(JSON.stringify(call).replaceAll('\\n', '')));
    expect(given.some((text) => text.includes('name 15'))).toBe(true);
    expect(Math.max(...given.map((text) => text.length))).toBeLessThan(20_000);
  });

  it('finds no fault in code that uses what was left out', async () => {
    await service.commit(
      `const table = {\n${many(10_000, (i) => `  key${i}: { n: ${i} }`).join(',\n')}\n};\nconst [a, b, , , , f, ...rest] = [${many(20_000, String)}];`,
    );
    expect(await service.diagnose('table.key9999.n.toFixed() + rest[5000]!.toFixed() + f.toFixed()')).toEqual(
      [],
    );
  });
});
