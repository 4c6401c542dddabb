import vm from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellFile, murmur2 } from '../../../kernel/src/execution/cells/cell-file.js';
import { compileCell } from '../../../kernel/src/execution/cells/compile.js';
import { completeness } from '../../../kernel/src/execution/cells/completeness.js';
import { MagicError, translateMagics } from '../../../kernel/src/execution/cells/magics.js';
import { Editor } from '../../../kernel/src/typescript/edits.js';
import { SourceSyntaxError } from '../../../kernel/src/typescript/syntax-error.js';

describe('an editor', () => {
  it('knows where everything went, in both directions', () => {
    const text = 'const a = 1;\nlet b; await c';
    const editor = new Editor(text);
    editor.replace(0, 5, '   ;(');
    editor.insert(text.indexOf('await'), 'f(', 'open');
    editor.insert(text.length, ')', 'close');
    expect(editor.apply()).toBe('   ;( a = 1;\nlet b; f(await c)');
    expect(editor.original({ line: 1, column: 9 })).toEqual({ line: 1, column: 7 });
    expect(editor.edited({ line: 1, column: 13 })).toEqual({ line: 1, column: 15 });
  });

  it('finds the original place of every unedited character (1,000 seeded cases)', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n'), minLength: 1, maxLength: 40 }),
        fc.array(fc.tuple(fc.nat(40), fc.constantFrom('<', '<<<', ''))),
        (text, inserts) => {
          const editor = new Editor(text);
          for (const [at, inserted] of inserts) if (at <= text.length) editor.insert(at, inserted, 'open');
          const edited = editor.apply();
          const lines = edited.split('\n');
          const original = text.split('\n');
          lines.forEach((content, line) => {
            [...content].forEach((character, column) => {
              if (character === '<') return;
              const place = editor.original({ line, column });
              expect(original[place.line]![place.column]).toBe(character);
            });
          });
        },
      ),
      { seed: 7, numRuns: 1000 },
    );
  });
});

describe('a compiled cell', () => {
  it('looks for an interrupt where a rejected await is caught, and nowhere else', async () => {
    const caught = async (source: string) =>
      (await compileCell(source, { cell: 7 })).program.main.match(/__fovea__\.caught\(\d*\);/g) ?? [];
    expect(await caught('try { await f() } catch { g() }')).toEqual(['__fovea__.caught(7);']);
    expect(await caught('try { for await (const x of f()); } catch {}')).toEqual(['__fovea__.caught(7);']);
    expect(await caught('h = async () => { try { await f() } catch {} }')).toEqual(['__fovea__.caught();']);
    expect(await caught('try { try { await f() } catch {} } catch (e) { await g(e) }')).toHaveLength(2);
    expect(await caught('await f(); try { g() } catch {} await h()')).toEqual([]);
    expect(await caught('try { h = async () => { await f() } } catch {} await h()')).toEqual([]);
    expect(await caught('try { f() } catch { await g() }')).toEqual([]);
  });

  it('keeps every line where it was', async () => {
    const source =
      'type A = {\n  a: number\n};\nimport x from "y";\nexport const b: A = { a: 1 };\nfunction f(): void {\n}\nawait f();\n/* end */ b';
    const { program } = await compileCell(source, { cell: 1 });
    expect(program.isAsync).toBe(true);
    expect(program.names).toEqual(['x', 'b', 'f']);
    const main = program.main.split('\n');
    expect(main[4]).toContain('b');
    expect(main[8]).toContain('return');
    expect(program.functions!.split('\n')[5]).toContain('function f()');
  });

  it('stays a synchronous script without top-level await, though functions in it await', async () => {
    const { program } = await compileCell(
      'async function f() { await 1; for await (const x of []) x; }\nclass A { async m() { await 2 } x = async () => await 3 }',
      { cell: 1 },
    );
    expect(program.isAsync).toBe(false);
    expect(program.names).toEqual(['f', 'A']);
    expect(() => new vm.Script(program.main)).not.toThrow();
  });

  it('is always a script that the engine accepts', async () => {
    for (const source of [
      'label: for (var i = 0, j; i < 3; i++) { if (i) continue label; var k = 1, { l } = { l: 2 } }\nawait 0',
      'class A {}function f() {}class B {}\nawait 0',
      'let a, b = 1, [c, { d = 2 }] = [1, {}]\nlet e\nawait a',
      'await (await (await 1))',
      'export default await 1',
      'export { }\nexport default class {}',
      'if (1) var { a } = {}; else var b\nawait 1',
      'const f = async () => { await 1 }, g = await f()\ng',
      'for await (const x of []) x',
      'await using r = null\nusing s = null',
      '"use client"',
      '// only a comment',
      '/* a */ await 1 // b',
      'do var x = 1; while (0)\nawait 0',
      'import a, * as b from "c"; import { d as e, "f-g" as h } from "i"; import "j"\na',
    ]) {
      const { program } = await compileCell(source, { cell: 1 });
      expect(() => new vm.Script(program.main), source).not.toThrow();
      if (program.functions) expect(() => new vm.Script(program.functions!), source).not.toThrow();
    }
  });

  it('is refused with the place of the mistake', async () => {
    await expect(compileCell('let a = 1\nlet b = }', { cell: 1 })).rejects.toMatchObject({
      line: 1,
      column: 8,
    });
    await expect(compileCell('enum E { A = }', { cell: 1 })).rejects.toBeInstanceOf(SourceSyntaxError);
  });
});

describe('magics', () => {
  it('keep the lines of what follows them', () => {
    const { code, typescript, settings } = translateMagics('%time\n%who\nconst a = 1\na % 2');
    expect(code.split('\n')).toHaveLength(4);
    expect(typescript.split('\n').slice(0, 2)).toEqual(['     ', '    ']);
    expect(code).toContain('const a = 1\na % 2');
    expect(settings.time).toBe(true);
  });

  it('are read only at the beginning of a cell', () => {
    expect(translateMagics('7\n%who').code).toBe('7\n%who');
    expect(() => translateMagics('%nothing')).toThrow(MagicError);
  });

  it('mean the same with any ends of lines, and keep the offsets of what is no magic', () => {
    for (const cell of [
      '%time\n%who\nconst a = 1\na % 2',
      '%time 1 + 1\n2',
      '%%time\nlet a = 1\na',
      '%%bash -e\necho a\necho b\n',
      '%%sh\ncat <<END\ntext\nEND',
      '%npm install a\n%strict on\n// comment\n%lsmagic\n',
      '\n%load a.ts\nconst s = `a\nb`\n',
      '?Math\n',
      'Math.max??\n',
    ]) {
      const expected = translateMagics(cell);
      for (const end of ['\r\n', '\r']) {
        const other = cell.replaceAll('\n', end);
        const { code, typescript, settings } = translateMagics(other);
        expect({ code, settings }, cell).toEqual({ code: expected.code, settings: expected.settings });
        expect(typescript.replaceAll(end, '\n')).toBe(expected.typescript);
        if (typescript !== '') expect(typescript).toHaveLength(other.length);
      }
    }
  });

  it('pass a whole cell on as it stands', () => {
    expect(translateMagics('%%bash\necho "it\'s $HOME" `x`').code).toContain(
      JSON.stringify('echo "it\'s $HOME" `x`'),
    );
  });
});

describe('the file name of a cell', () => {
  it('is the hash that Jupyter’s debugger computes', async () => {
    const { murmur2: jupyter } = (await import('@jupyterlab/debugger/lib/hash.js')) as {
      murmur2(text: string, seed: number): number;
    };
    for (const text of ['', 'a', 'ab', 'abc', 'abcd', 'const x = 1\nx + 1', 'ünïcode 🎈']) {
      expect(murmur2(text)).toBe(jupyter(text, 0xc70f6907));
    }
    expect(cellFile('x')).toMatch(/\d+\.ts$/);
  });
});

describe('whether a cell is complete', () => {
  it.each([
    ['const a = <b>hi</b>', 'complete'],
    ['const v = <div a="1" />;', 'complete'],
    ['<ul>\n  <li>one</li>', 'incomplete'],
    ['<b>text</i>', 'invalid'],
    ['enum E { A', 'incomplete'],
    ['enum E { A }\n@d class C { constructor(public x: number) {} }', 'complete'],
    ['const a: Array<number> = [', 'incomplete'],
    ['let a = )', 'invalid'],
    ['a < b > ) c', 'invalid'],
  ])('%j is %s', (code, status) => {
    expect(completeness(code).status).toBe(status);
  });
});
