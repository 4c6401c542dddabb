import { parse } from 'acorn';
import { describe, expect, it } from 'vitest';
import { compileCell } from '../../../kernel/src/execution/cells/compile.js';
import { walkSyntax } from '../../../kernel/src/typescript/walk-syntax.js';

/** Cells that make the rewriting emit everything it can. */
const cells = [
  'import a, * as b from "x"\nimport { c as d } from "y"\nexport * as e from "z"\nexport { f as g } from "z"\nexport * from "w"\na',
  'let total = 0\nfor (let i = 0; i < 9; i++) total += i * 0.5\n[total]',
  'await null\nlet later = 0\nfor (const v of [1]) later += v\nfor await (const w of []) { w }\nawait import("x", { with: { type: "json" } })\nimport.meta.url',
  'using r = null\nawait using s = null\n{ var q = 1 }\nclass K {}\nfunction h() {}\nlet u\nexport default class {}',
  'enum E { A }\nnamespace N { export const x = 1 }\nclass P { constructor(public y: number) {} }',
  'function deco(v: any, c: any) { return v }\nclass D { @deco m() {} @deco accessor n = 1; @deco static o = 2; #p = 3; @deco get q2() { return this.#p } }',
  '/** @jsxImportSource preact */\nconst el = <p key="a"><b>text</b><></></p>\nel',
  'const React = { createElement() {} }; const el2 = <p>text</p>',
];

const intrinsic = new Set(['globalThis', 'undefined', 'arguments']);

function identifiers(code: string): Set<string> {
  const names = new Set<string>();
  const program = parse(code, {
    ecmaVersion: 'latest',
    sourceType: 'script',
    allowReturnOutsideFunction: true,
    allowAwaitOutsideFunction: true,
  });
  walkSyntax(program, (node, { parent }) => {
    if (node.type !== 'Identifier' || (parent?.type === 'MemberExpression' && parent.property === node))
      return;
    if (parent?.type === 'Property' && parent.key === node) return;
    names.add(node.name);
  });
  return names;
}

async function compiled(source: string) {
  const { program } = await compileCell(source, { cell: 7, variables: new Set() });
  return {
    program,
    names: new Set([program.main, program.functions ?? ''].flatMap((code) => [...identifiers(code)])),
  };
}

/** The names in the code of a cell that the user did not write. */
async function emitted(source: string): Promise<string[]> {
  const { names } = await compiled(source);
  return [...names].filter((name) => !source.includes(name) && !intrinsic.has(name));
}

describe('names that generated code uses', () => {
  it('are no names of the cell, whatever it calls its own', async () => {
    const all = new Set<string>();
    for (const source of cells) for (const name of await emitted(source)) all.add(name);
    expect(all.size).toBeGreaterThan(8);
    for (const name of all) {
      for (const source of cells) {
        const own = `${source}\nasync function user(${name}) { await ${name}; { const ${name} = 1; for (const x of ${name}) x } }`;
        const again = await emitted(own);
        expect(again, `${name} in ${source}`).not.toContain(name);
      }
    }
  });

  it('are reserved as variables of the notebook, and nothing else is', async () => {
    for (const source of cells) {
      const { program } = await compiled(source);
      const helpers = new Set(program.helperNames);
      const made = [...(await emitted(source))].filter(
        (name) => helpers.has(name) || name === program.bridge,
      );
      for (const name of made) {
        await expect(compileCell(`let ${name} = 1`, { cell: 8 })).rejects.toThrow('the kernel’s own');
      }
    }
    for (const name of [
      'm',
      'module',
      'exports',
      '_a',
      '_init',
      'jsx',
      '__decorateClass',
      'kept',
      'r',
      'value',
    ]) {
      const { program } = await compileCell(`import * as ${name} from "node:path"\n${name}.sep`, { cell: 8 });
      expect(program.names).toEqual([name]);
      expect(program.helperNames).toEqual([]);
    }
  });

  it('are different ones in every cell', async () => {
    const source = cells[5]!;
    const first = await compileCell(source, { cell: 1 });
    const second = await compileCell(source, { cell: 2 });
    expect(first.program.helperNames.length).toBeGreaterThan(0);
    expect(first.program.helperNames.filter((name) => second.program.helperNames.includes(name))).toEqual([]);
    expect(first.program.names.filter((name) => !first.program.helperNames.includes(name))).toEqual([
      'deco',
      'D',
    ]);
  });
});
