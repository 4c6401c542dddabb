import { describe, expect, it } from 'vitest';
import {
  type ExportsOf,
  exportedNames,
  withoutExportedTypes,
  withoutUnusedImports,
} from '../../../kernel/src/typescript/imports.js';
import { strip } from '../../../kernel/src/typescript/strip.js';

const modules: Readonly<Record<string, readonly string[]>> = { m: ['value', 'other'], empty: [] };
const exportsOf: ExportsOf = (specifier) => (specifier in modules ? new Set(modules[specifier]) : undefined);

/** What is left of a module, each run of blanks as one. */
const short = (code: string | undefined) => code?.replace(/\s+/g, ' ').trim();

describe('imports that a module never uses', () => {
  it.each([
    ["import { Type, value } from 'm'; value;", "import { value } from 'm'; value;"],
    ["import { value, Type } from 'm'; value;", "import { value, } from 'm'; value;"],
    ["import { Type as T } from 'm'; value;", '; value;'],
    ["import type { Type } from 'm'; value;", 'value;'],
    ["import d, * as all from 'm'; d;", "import d from 'm'; d;"],
    ["import * as all from 'm'; all.a;", "import * as all from 'm'; all.a;"],
    ["import 'm';", "import 'm';"],
    ["import { value } from 'm'; export { value };", "import { value } from 'm'; export { value };"],
    ["import { value } from 'm'; export { value as v } from 'n';", "; export { value as v } from 'n';"],
    ["import { key } from 'm'; o.key; ({ key: 1 });", '; o.key; ({ key: 1 });'],
    ["import { key } from 'm'; ({ key });", "import { key } from 'm'; ({ key });"],
    ["import { key } from 'm'; o[key];", "import { key } from 'm'; o[key];"],
    ["import { key } from 'm'; key: for (;;) break key;", '; key: for (;;) break key;'],
  ])('are blanked: %s', (source, expected) => {
    const left = withoutUnusedImports(strip(source))!.code;
    expect(short(left)).toBe(expected);
    // Everything else stays where it was.
    expect(left).toHaveLength(source.length);
  });

  it('are left to a compiler where the module declares the same name somewhere', () => {
    expect(withoutUnusedImports(strip("import { a } from 'm'; function f(a) { return a; }"))).toBeUndefined();
    expect(withoutUnusedImports(strip("import { a } from 'm'; try {} catch ({ a }) { a; }"))).toBeUndefined();
  });

  it('may be none', () => {
    const parsed = strip('const a = 1;');
    expect(withoutUnusedImports(parsed)).toEqual(parsed);
  });
});

describe('types that a module passes on', () => {
  const left = (source: string) => short(withoutExportedTypes(strip(source), exportsOf).code);

  it('are blanked where the other module has them only as types', () => {
    expect(left("export { Type, value } from 'm';")).toBe("export { value } from 'm';");
    expect(left("import { Type, value } from 'm'; export { Type, value as v };")).toBe(
      "import { value } from 'm'; export { value as v };",
    );
    expect(left("import { Type as T } from 'm'; export { T };")).toBe("import { } from 'm'; export { };");
  });

  it('stay where it is not known what the other module exports', () => {
    const source = "export { Type } from 'unknown';";
    expect(left(source)).toBe(source);
  });

  it('are not confused with what the module declares itself, or imports whole', () => {
    for (const source of ['const Type = 1; export { Type };', "import * as m from 'm'; export { m };"])
      expect(left(source)).toBe(source);
  });
});

describe('what a module exports', () => {
  const names = (source: string) => {
    const found = exportedNames(strip(source).program, exportsOf);
    return found && [...found].sort();
  };

  it.each([
    ['export const a = 1, { b, c: [d = 2, ...e] } = f;', ['a', 'b', 'd', 'e']],
    ['export function f() {} export class C {} export default 1;', ['C', 'default', 'f']],
    ["const a = 1; export { a as b, a as 'with blanks' };", ['b', 'with blanks']],
    ["export * from 'm';", ['other', 'value']],
    ["export * as all from 'unknown';", ['all']],
    ["export { x as y } from 'unknown';", ['y']],
    ['const hidden = 1;', []],
  ])('%s', (source, expected) => {
    expect(names(source)).toEqual(expected);
  });

  it('is not known where it passes on all of a module that is not known', () => {
    expect(names("export const a = 1; export * from 'unknown';")).toBeUndefined();
  });
});
