import { type Runtime, Session } from 'node:inspector';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arrayLength, typeText, valueText } from '../../../kernel/src/debug/values.js';

const session = new Session();
beforeAll(() => session.connect());
afterAll(() => session.disconnect());

/** A value as the inspector describes it. */
function described(expression: string): Runtime.RemoteObject {
  let object: Runtime.RemoteObject | undefined;
  session.post('Runtime.evaluate', { expression, generatePreview: true }, (error, answer) => {
    if (error) throw error;
    object = answer.result;
  });
  return object!;
}

describe('a value in the debugger', () => {
  it.each([
    ['undefined', 'undefined'],
    ['null', 'null'],
    ['"two\\nlines"', '"two\\nlines"'],
    ['-0', '-0'],
    ['12n', '12n'],
    ['Symbol("s")', 'Symbol(s)'],
    ['[1, "a", [2]]', 'Array(3) [1, "a", Array(1)]'],
    ['new Float32Array([0.5, 1])', 'Float32Array(2) [0.5, 1]'],
    ['({ a: 1, f() {}, get g() { return 1; }, o: {} })', '{a: 1, f: ƒ, g: (…), o: {…}}'],
    ['new (class Point { x = 1; })()', 'Point {x: 1}'],
    ['new Map([["a", 1]])', 'Map(1) {a => 1}'],
    ['new Set([3])', 'Set(1) {3}'],
    ['/a+/g', '/a+/g'],
    ['new TypeError("wrong")', 'TypeError: wrong'],
    ['(a, b) => a + b', '(a, b)'],
    ['function add(a, b) { return a + b; }; add', 'function add(a, b)'],
    ['(class Square extends Array { side = 2; })', 'class Square extends Array'],
  ])('%s reads %s', (expression, text) => {
    expect(valueText(described(expression))).toBe(text);
  });

  it('takes one line, of a bounded length', () => {
    const text = valueText(described('"x".repeat(1000)'));
    expect(text).toHaveLength(201);
    expect(text.endsWith('…')).toBe(true);
    expect(valueText(described('Object.assign(new Date(0), {})'))).not.toContain('\n');
  });

  it('names its type, and how many elements it has', () => {
    expect(
      ['1', 'null', '[]', 'new Map()', '({})', 'Object.create(null)', '() => 1'].map((e) =>
        typeText(described(e)),
      ),
    ).toEqual(['number', 'null', 'Array', 'Map', 'Object', 'Object', 'function']);
    expect(['[1, 2]', 'new Uint8Array(5)', '({})', '"ab"'].map((e) => arrayLength(described(e)))).toEqual([
      2,
      5,
      undefined,
      undefined,
    ]);
  });
});
