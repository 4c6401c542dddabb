import { inspect } from 'node:util';
import vm from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCell } from '../../../kernel/src/execution/cells/compile.js';
import { loopCell, setGlobal } from './support/loops.js';

const variables = new Set(['x', 'y', 'values', 'other']);

/** Names that the loops of a cell keep in locals. */
async function kept(source: string): Promise<string[]> {
  const { program } = await compileCell(source, { cell: 1, variables });
  expect(() => new vm.Script(program.main), source).not.toThrow();
  for (const { code } of program.loops) expect(() => new vm.Script(code), source).not.toThrow();
  return program.loops.flatMap((loop) => loop.kept);
}

describe('variables that a loop keeps in locals', () => {
  it('are those of the notebook that it assigns to', async () => {
    expect(await kept('for (let i = 0; i < 9; i++) x += i')).toEqual(['x']);
    expect(await kept('let own = 1\nwhile (own < y) own *= 2')).toEqual(['own']);
    expect(await kept('do { [x, y] = [y, x] } while (values[0]++ < Math.max(x, 3))')).toEqual(['x', 'y']);
    expect(await kept('a: b: for (;;) { x = y = 1; break a }')).toEqual(['x', 'y']);
    expect(await kept('await 1\nfor (;;) x++')).toEqual(['x']);
    expect(await kept('for (const value of values) x += value')).toEqual(['x']);
    expect(await kept('for (let i = 0; i < values.length; i++) { const v = values[i]; x += v * v }')).toEqual(
      ['x'],
    );
    expect(await kept('for (let i = 0; i < 9; i++) other[values[i]]++, x++')).toEqual(['x']);
    expect(
      await kept('for (let i = 0; i < 9; i++) { values[i] = x; [values, other] = [other, values] }'),
    ).toEqual(['values', 'other']);
    expect(await kept('for (let i = 0; i < 9; i++) { let x = 1; x++; y++ }')).toEqual(['y']);
    expect(await kept('while (x--) ;')).toEqual([]);
    expect(await kept('for (;;) unknown++')).toEqual([]);
    expect(await kept('for (;;) { let x = 1; x++ }')).toEqual([]);
    expect(await kept('for (;;) { var x = 1; x++; y++ }')).toEqual(['y']);
  });

  it('are none where the loop may run code that might look at them', async () => {
    for (const loop of [
      'while (x < 1) { x++; f() }',
      'while (x < 1) { x++; values.push(x) }',
      'while (x < 1) { x++; values.total }',
      'while (x < 1) { x++; values["total"] }',
      'while (x < 1) { x++; values[y + ""] }',
      'while (x < 1) { x++; values[y ? 1 : "a"] }',
      'while (x < 1) { x++; values[0][0] }',
      'while (x < 1) { x++; values[0] = values }',
      'while (x < 1) { x++; new Date() }',
      'while (x < 1) { x++; tag`` }',
      'while (x < 1) { x++; this[y] }',
      'while (x < 1) { x++; globalThis[y] }',
      'while (x < 1) { x++; y = () => x }',
      'while (x < 1) { x++; y = { get a() { return x } } }',
      'while (x < 1) { x++; y = [...values] }',
      'while (x < 1) { x++; const [a] = values }',
      'while (x < 1) { x++; [y] = values }',
      'while (x < 1) { x++; y in values }',
      'while (x < 1) { x++; delete values[0] }',
      'while (x < 1) { x++; await y }',
      'while (x < 1) { x++; const Math = y; Math.max() }',
      'while (x < 1) { x++; debugger }',
      'while (x < 1) { x++; values.length = 0 }',
      'while (x < 1) { x++; /a/ + 1 }',
      'for (const key in values) x += 1',
      'for (const value of f()) x += 1',
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

/** The variables of the cells below; `seen` is what other code saw of the loop's. */
const initial = () => ({
  a: 1 as unknown,
  b: 2.5 as unknown,
  c: 'c' as unknown,
  n: 0,
  o: 3 as unknown,
  list: [1, 2, 3] as unknown,
  typed: Float64Array.of(0.5, 1.5, 2.5) as unknown,
  seen: [] as unknown[],
});
type State = ReturnType<typeof initial>;
const names = new Set(Object.keys(initial()));
const state = globalThis as unknown as State;

/** Runs a cell on fresh variables, rewritten or not, and says what it left behind. */
async function outcome(source: string, before: () => void, rewritten: boolean) {
  const cell = await loopCell(source, rewritten ? names : undefined);
  for (const [name, value] of Object.entries(initial())) setGlobal(name, value);
  const { fitted, thrown } = cell.run({ before, after: restore });
  const { a, b, c, n, list, typed, seen } = state;
  return { fitted, a, left: inspect({ a, b, c, n, list, typed, seen, thrown }, { depth: 4 }) };
}

const [math, number] = [Math, Number];
const { floor } = Math;
const iterator = Array.prototype[Symbol.iterator];

/** Takes back what the intrusions below do to the language. */
function restore(): void {
  Object.assign(globalThis, { Math: math, Number: number });
  Math.floor = floor;
  Array.prototype[Symbol.iterator] = iterator;
  Reflect.deleteProperty(Array.prototype, 3);
}

/** Puts a value that runs code of its own where a loop would not expect it. */
const intrusions: Readonly<Record<string, () => void>> = {
  nothing: () => undefined,
  'an object whose valueOf reads': () => {
    state.o = { valueOf: () => state.seen.push([state.n, state.a]) + state.n };
  },
  'an object whose toString writes': () => {
    state.o = {
      toString() {
        state.n += 10;
        return `${state.n}`;
      },
    };
  },
  'a proxy of an array': () => {
    state.list = new Proxy([1, 2, 3], {
      get: (target, key) => state.seen.push(state.n) && Reflect.get(target, key),
    });
  },
  'an accessor among elements': () => {
    const list = [1, 2, 3];
    Object.defineProperty(list, 1, {
      get: () => state.seen.push(state.a) + state.n,
      set: (value) => {
        state.n = value;
      },
    });
    state.list = list;
  },
  'objects as elements': () => {
    state.list = [1, { valueOf: () => state.n }, 3];
  },
  'an accessor that elements inherit': () => {
    Object.defineProperty(Array.prototype, 3, {
      get: () => state.n,
      set: (value) => (state.n = value),
      configurable: true,
    });
  },
  'a length of its own': () => {
    Object.defineProperty(state.typed, 'length', { get: () => state.n % 4 });
  },
  'another function of Math': () => {
    Math.floor = (value) => state.seen.push(state.n) + value;
  },
  'another Math': () => {
    setGlobal('Math', { floor: () => state.n, PI: 1 });
  },
  'another Number': () => {
    setGlobal('Number', {
      get EPSILON() {
        return state.n;
      },
    });
  },
  'another iterator': () => {
    Array.prototype[Symbol.iterator] = function* (this: unknown[]) {
      for (let i = 0; i < this.length; i++) yield state.n + i;
    } as never;
  },
  'a variable that is an accessor': () => {
    let value = 0;
    Object.defineProperty(globalThis, 'b', {
      get: () => value + state.n,
      set: (next) => (value = next),
      configurable: true,
    });
  },
  'a bigint': () => {
    state.b = 7n;
  },
  'a function': () => {
    state.a = Object.assign(() => 1, { valueOf: () => state.n });
  },
  'a string as list': () => {
    state.list = 'text';
  },
  'a variable that cannot be written': () => {
    Object.defineProperty(globalThis, 'a', { writable: false });
  },
};

describe('a loop at the top of a cell', () => {
  it('counts what an object makes of the loop’s own variable', async () => {
    const cell = 'for (let i = 0; i < 5; i++) { n = i; a += o }';
    const reads = () => {
      state.o = { valueOf: () => state.n };
      state.a = 0;
    };
    expect((await outcome(cell, reads, true)).a).toBe(10);
    const numbers = () => undefined;
    expect(await outcome(cell, numbers, true)).toMatchObject({ fitted: 1, a: 16 });
  });

  const scalar = fc.constantFrom(
    'a',
    'b',
    'c',
    'n',
    'o',
    'i',
    '1',
    '0.5',
    '"t"',
    'list.length',
    'typed.length',
    'Math.PI',
    'Number.EPSILON',
  );
  const key = fc.constantFrom('i', 'i + 1', 'n', 'a', 'list[i]', 'typed[i]', '-1', '0.5', 'i % 3', 'c', 'k');
  const expression = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scalar,
      key.map((text) => `list[${text}]`),
      key.map((text) => `typed[${text}]`),
      fc
        .tuple(
          tie('value'),
          fc.constantFrom('+', '-', '*', '%', '<', '===', '|', '&&', '??', '>>>'),
          tie('value'),
        )
        .map(([left, operator, right]) => `((${left}) ${operator} (${right}))`),
      tie('value').map((text) => `\`\${${text}}\``),
      tie('value').map((text) => `Math.floor(${text})`),
      tie('value').map((text) => `-(${text})`),
      tie('value').map((text) => `(${text} ? a : n)`),
      tie('value').map((text) => `(a = ${text})`),
    ),
  })).value;
  const target = fc.constantFrom('a', 'b', 'c', 'n', 'list[i]', 'typed[i % 3]', 'list[n & 7]');
  const statement = fc.oneof(
    fc
      .tuple(target, fc.constantFrom('=', '+=', '-=', '*=', '||=', '??='), expression)
      .map(([to, operator, value]) => `${to} ${operator} ${value};`),
    target.map((to) => `${to}++;`),
    fc.tuple(expression, target).map(([test, to]) => `if (${test}) ${to} = i; else break;`),
    expression.map((value) => `let k = ${value}; n += k;`),
    fc.constant('[a, b] = [b, a];'),
    fc.constant('[list[0], list[1]] = [list[1], list[0]];'),
    expression.map((value) => `const t = ${value}; { let a = t; a++; b = a }`),
    expression.map((value) => `switch (${value}) { case 1: n++; default: b = n }`),
    fc.constant('for (const v of list) n += v;'),
    fc.constant('for (const v of typed) b = v;'),
  );
  const body = fc.array(
    statement.map((text) => `{ ${text} }`),
    { minLength: 1, maxLength: 4 },
  );

  it('leaves the same behind rewritten or not, whatever its variables hold (1,000 seeded cases)', async () => {
    let fitted = 0;
    let fellBack = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(intrusions)), body, async (intrusion, statements) => {
        const cell = `const k = 1; for (let i = 0; i < 4; i++) { ${statements.join(' ')} }`;
        const prepare = intrusions[intrusion]!;
        const written = await outcome(cell, prepare, false);
        const rewritten = await outcome(cell, prepare, true);
        fitted += rewritten.fitted;
        fellBack += 1 - rewritten.fitted;
        expect(rewritten.left, `${intrusion}: ${cell}`).toEqual(written.left);
      }),
      { seed: 15, numRuns: 1000 },
    );
    // Neither side may have been tested with nothing.
    expect(fitted).toBeGreaterThan(200);
    expect(fellBack).toBeGreaterThan(200);
  });
});
