import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { compileCell } from '../../../kernel/src/execution/cells/compile.js';

const variables = new Set(['x', 'y', 'values']);

/** Names that the loops of a cell keep in locals. */
async function kept(source: string): Promise<string[]> {
  const { program } = await compileCell(source, { cell: 1, variables });
  expect(() => new vm.Script(program.main), source).not.toThrow();
  return [...program.main.matchAll(/\.keep\([^\]]*?(\[[^\]]*\])/g)].flatMap(
    (match) => JSON.parse(match[1]!) as string[],
  );
}

describe('variables that a loop keeps in locals', () => {
  it('are those of the notebook that it assigns to', async () => {
    expect(await kept('for (let i = 0; i < 9; i++) x += i')).toEqual(['x']);
    expect(await kept('let own = 1\nwhile (own < y) own *= 2')).toEqual(['own']);
    expect(await kept('do { [x, y] = [y, x] } while (values[0]++ < Math.max(x, 3))')).toEqual(['x', 'y']);
    expect(await kept('a: b: for (;;) { x = y = 1; break a }')).toEqual(['x', 'y']);
    expect(await kept('await 1\nfor (;;) x++')).toEqual(['x']);
    expect(await kept('while (x--) ;')).toEqual([]);
    expect(await kept('for (;;) unknown++')).toEqual([]);
    expect(await kept('for (;;) { let x = 1; x++ }')).toEqual([]);
    expect(await kept('for (;;) { var x = 1; x++; y++ }')).toEqual(['y']);
  });

  it('are none where the loop runs code that might look at them', async () => {
    for (const loop of [
      'while (x < 1) { x++; f() }',
      'while (x < 1) { x++; values.push(x) }',
      'while (x < 1) { x++; values.total }',
      'while (x < 1) { x++; values["total"] }',
      'while (x < 1) { x++; new Date() }',
      'while (x < 1) { x++; `${y}` }',
      'while (x < 1) { x++; tag`` }',
      'while (x < 1) { x++; this[y] }',
      'while (x < 1) { x++; globalThis[y] }',
      'while (x < 1) { x++; y = () => x }',
      'while (x < 1) { x++; y = { get a() { return x } } }',
      'while (x < 1) { x++; y = [...values] }',
      'while (x < 1) { x++; const [a] = values }',
      'while (x < 1) { x++; [y] = values }',
      'while (x < 1) { x++; y in values }',
      'while (x < 1) { x++; await y }',
      'while (x < 1) { x++; const Math = y; Math.max() }',
      'while (x < 1) { x++; debugger }',
      'for (const value of values) x += value',
      'for (const key in values) x += 1',
      'function f() { for (;;) x++ }',
      '{ let x = 1; for (;;) x++ }',
    ]) {
      expect(await kept(loop), loop).toEqual([]);
    }
  });

  it('are none while a debugger steps through the cell', async () => {
    const { program } = await compileCell('for (;;) x++', { cell: 1 });
    expect(program.main).toBe('"use strict";for (;;) x++');
  });
});
