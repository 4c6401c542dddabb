import { describe, expect, it } from 'vitest';
import { errorLine, plainText } from '../../../kernel/src/display/plain-text.js';
import { recordsTable } from '../../../kernel/src/display/records.js';
import { isNumericArray, numericBundle } from '../../../kernel/src/display/typed-array.js';

/** Throws something that cannot even be made a text. */
const hostile = () => {
  throw Object.create(null);
};

describe('a typed array as text', () => {
  const lines = (array: Parameters<typeof numericBundle>[0]) =>
    (numericBundle(array).data['text/plain'] as string).split('\n');

  it('has its length, its elements and its statistics', () => {
    expect(lines(Float32Array.of(1, 2, 3, 6))).toEqual([
      'Float32Array(4) [ 1, 2, 3, 6 ]',
      'min 1, max 6, mean 3, deviation 1.87083',
    ]);
  });

  it('shows the ends of a long one', () => {
    const [first] = lines(Uint16Array.from({ length: 2000 }, (_, i) => i));
    expect(first).toBe(
      'Uint16Array(2,000) [ 0, 1, 2, 3, 4, 5, 6, 7, …, 1992, 1993, 1994, 1995, 1996, 1997, 1998, 1999 ]',
    );
    expect(lines(Uint8Array.from({ length: 16 }, (_, i) => i))[0]).not.toContain('…');
  });

  it('keeps a small spread around a large mean, and leaves out what is not finite', () => {
    expect(lines(Float64Array.of(1e9 + 1, 1e9 + 3, Number.NaN, Number.NEGATIVE_INFINITY))[1]).toBe(
      'min 1000000000, max 1000000000, mean 1000000000, deviation 1, 2 not finite',
    );
    expect(lines(Float32Array.of(Number.NaN))[1]).toBe('no finite values, 1 not finite');
  });

  it('has no statistics when it is empty or of big integers', () => {
    expect(lines(new Int8Array(0))).toEqual(['Int8Array(0) [  ]']);
    expect(lines(BigInt64Array.of(2n ** 60n))).toEqual(['BigInt64Array(1) [ 1152921504606846976 ]']);
  });

  it('is not a view of bytes without numbers', () => {
    expect([new DataView(new ArrayBuffer(4)), [1], 'a', null].map(isNumericArray)).not.toContain(true);
    expect(isNumericArray(new Uint8ClampedArray(1))).toBe(true);
  });
});

describe('a list of records as a table', () => {
  const table = (list: readonly unknown[]) =>
    recordsTable(list, (value) => `<${String(value)}>`)?.data['text/html'] as string | undefined;

  it('has a column for each field of any row, escaped', () => {
    expect(table([{ a: 'x & y' }, { b: 2 }])).toBe(
      '<table style="table-layout:auto"><thead><tr><td></td><th>a</th><th>b</th></tr></thead><tbody>' +
        '<tr><th>0</th><td>x &amp; y</td><td></td></tr>' +
        '<tr><th>1</th><td></td><td style="text-align:right">&lt;2&gt;</td></tr></tbody></table>',
    );
  });

  it('ends after sixty rows and says how many there are', () => {
    const html = table(Array.from({ length: 75 }, (_, i) => ({ i })))!;
    expect(html.match(/<tr>/g)).toHaveLength(61);
    expect(html).toMatch(/<p>15 more rows<\/p>$/);
  });

  it('ends after 24 columns and says how many there are', () => {
    const wide = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`c${i}`, i]));
    expect(table([wide])).toMatch(/<th>c23<\/th><\/tr>.*<\/table><p>6 more columns<\/p>$/);
    expect(table(Array.from({ length: 61 }, () => wide))).toMatch(/<p>1 more row, 6 more columns<\/p>$/);
  });

  it('is none for other lists', () => {
    for (const list of [[], [1], [{ a: 1 }, null], [{}], [new Date()], [[1]]])
      expect(table(list)).toBeUndefined();
    expect(table([Object.assign(Object.create(null), { a: 1 })])).toContain('<th>a</th>');
  });

  it('shows in its cell what a getter throws, whatever it is', () => {
    const failing = (get: () => never) => Object.defineProperty({}, 'a', { enumerable: true, get });
    const error = failing(() => {
      throw new TypeError('<no>');
    });
    expect(table([error])).toContain('<td><i>TypeError: &lt;no&gt;</i></td>');
    expect(table([failing(hostile)])).toContain('<td><i>an error that cannot be shown</i></td>');
  });
});

describe('the text of any value', () => {
  it('is that of inspection, without colour', () => {
    expect(plainText({ a: [1, 'b'], c: null })).toBe("{ a: [ 1, 'b' ], c: null }");
  });

  it('ends where nobody reads on', () => {
    expect(plainText('x'.repeat(1_000_000)).length).toBeLessThan(110_000);
    const wide = Object.fromEntries(Array.from({ length: 2500 }, (_, i) => [`k${i}`, i]));
    expect(plainText(wide)).toMatch(/k999: 999\n}\n… 1,500 more properties$/);
  });

  it('says what fails, under what can be seen without it', () => {
    const custom = { a: 1, [Symbol.for('nodejs.util.inspect.custom')]: () => hostile() };
    expect(plainText(custom)).toMatch(/a: 1.*\n\[its inspection failed: an error that cannot be shown\]$/s);
    const named = {
      get [Symbol.toStringTag](): string {
        throw new Error('no tag\nsecond line');
      },
    };
    expect(plainText(named)).toMatch(/\[its inspection failed: Error: no tag\]$/);
  });

  it('of an error is one line', () => {
    expect(errorLine(new RangeError('a\nb'))).toBe('RangeError: a');
    expect(errorLine('x'.repeat(400))).toHaveLength(301);
    expect(errorLine(undefined)).toBe('undefined');
  });
});
