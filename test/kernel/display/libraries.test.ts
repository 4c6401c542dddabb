import { describe, expect, it } from 'vitest';
import { formatValue } from '../../../kernel/src/display/format.js';

const shown = (value: unknown) => formatValue(value) as { data: Record<string, any> };

describe('charts of Vega and Vega-Lite', () => {
  const schema = (kind: string, version: string) => `https://vega.github.io/schema/${kind}/${version}.json`;

  it.each([
    ['vega-lite', 'v5', 'application/vnd.vegalite.v5+json'],
    ['vega-lite', 'v4', 'application/vnd.vegalite.v4+json'],
    ['vega-lite', 'v5.20.1', 'application/vnd.vegalite.v5+json'],
    ['vega-lite', 'v6', 'application/vnd.vegalite.v5+json'],
    ['vega', 'v5', 'application/vnd.vega.v5+json'],
    ['vega', 'v6', 'application/vnd.vega.v5+json'],
    ['vega', 'v4', 'application/vnd.vega.v5+json'],
  ])('are drawn by what front ends have for %s %s', (kind, version, type) => {
    const spec = { $schema: schema(kind, version), mark: 'bar', title: 'Rain' };
    const { data } = shown(spec);
    expect(Object.keys(data)).toEqual([type, 'text/plain']);
    expect(data[type]).toEqual(spec);
    expect(data['text/plain']).toBe(`${kind === 'vega' ? 'Vega' : 'Vega-Lite'} chart, bar, "Rain"`);
  });

  it('are what an object makes of itself by toSpec() or toJSON()', () => {
    const spec = { $schema: schema('vega-lite', 'v5'), mark: { type: 'point' } };
    expect(shown({ toSpec: () => spec }).data['application/vnd.vegalite.v5+json']).toEqual(spec);
    expect(shown({ toJSON: () => spec }).data['text/plain']).toBe('Vega-Lite chart, point');
  });

  it('are not seen in anything else', () => {
    for (const value of [
      { $schema: 'https://json-schema.org/draft/2020-12/schema' },
      { $schema: 5 },
      { toSpec: () => ({}) },
      { toSpec: () => null, toJSON: () => 'text' },
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
      new Date(0),
      new URL('http://localhost'),
    ])
      expect(Object.keys(shown(value).data)).toEqual(['text/plain']);
  });
});

describe('nodes of a DOM', () => {
  const circle = '<circle r="5"/>';

  it('are SVG that stands alone, or HTML', () => {
    expect(shown({ outerHTML: `<svg width="9">${circle}</svg>` }).data).toEqual({
      'image/svg+xml': `<svg xmlns="http://www.w3.org/2000/svg" width="9">${circle}</svg>`,
      'text/plain': `<svg width="9">${circle}</svg>`,
    });
    const complete = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><use xlink:href="#a"/></svg>`;
    expect(shown({ outerHTML: complete }).data['image/svg+xml']).toBe(complete);
    expect(
      shown({ outerHTML: complete.replace(/ xmlns:xlink="[^"]*"/, '') }).data['image/svg+xml'],
    ).toContain('xmlns:xlink=');
    expect(shown({ outerHTML: '<figure><svg></svg></figure>' }).data['text/html']).toBe(
      '<figure><svg></svg></figure>',
    );
  });

  it('are documents and fragments too', () => {
    expect(shown({ nodeType: 9, documentElement: { outerHTML: '<html></html>' } }).data['text/html']).toBe(
      '<html></html>',
    );
    const children = [
      { nodeType: 3, textContent: 'a<b&c' },
      { nodeType: 1, outerHTML: '<hr>' },
    ];
    expect(shown({ nodeType: 11, childNodes: children }).data['text/html']).toBe('a&#60;b&#38;c<hr>');
    expect(Object.keys(shown({ nodeType: 3, textContent: 'x' }).data)).toEqual(['text/plain']);
  });

  it('have a short text', () => {
    const { data } = shown({ outerHTML: `<p>${'x'.repeat(5000)}</p>` });
    expect(data['text/plain']).toMatch(/^<p>x{997}… \(5,007 characters\)$/);
  });
});

describe('tables of libraries', () => {
  /** The methods of arquero's tables. */
  const arquero = (columns: Record<string, readonly unknown[]>) => ({
    columnNames: () => Object.keys(columns),
    numRows: () => Object.values(columns)[0]!.length,
    get: (name: string, row: number) => columns[name]![row],
  });

  it('of arquero', () => {
    const { data } = shown(
      arquero({ n: [1, 2], name: ['a<b', null], at: [new Date(0), new Date(Number.NaN)] }),
    );
    expect(data['text/plain']).toBe(
      'Table, 2 rows, 3 columns\n' +
        'n  name  at\n' +
        '─  ────  ────────────────────────\n' +
        '1  a<b   1970-01-01T00:00:00.000Z\n' +
        '2  null  Invalid Date',
    );
    expect(data['text/html']).toContain(
      '<td style="text-align:right;white-space:nowrap">1</td><td style="text-align:left">a&lt;b</td>',
    );
  });

  it('of danfo.js: data frames and series, with their index', () => {
    const print = () => undefined;
    const frame = {
      columns: ['a', 'b'],
      shape: [2, 2],
      index: ['x', 'y'],
      print,
      values: [
        [1, 'p'],
        [2, 'q'],
      ],
    };
    expect(shown(frame).data['text/plain']).toBe(
      'DataFrame, 2 rows, 2 columns\n   a  b\n─  ─  ─\nx  1  p\ny  2  q',
    );
    const series = { columns: ['n'], shape: [2], index: [0, 1], print, values: [5, 6] };
    expect(shown(series).data['text/plain']).toBe('Series, 2 rows, 1 column\n   n\n─  ─\n0  5\n1  6');
  });

  it('of Apache Arrow', () => {
    const vectors = [
      [1n, 2n],
      ['a', undefined],
    ];
    const table = {
      schema: { fields: [{ name: 'id' }, { name: 'text' }] },
      numRows: 2,
      getChildAt: (column: number) => ({ get: (row: number) => vectors[column]![row] }),
    };
    expect(shown(table).data['text/plain']).toBe(
      'Arrow table, 2 rows, 2 columns\nid  text\n──  ────\n1n  a\n2n',
    );
  });

  it('show their beginning, and say how much more there is', () => {
    const wide = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`c${i}`, new Float64Array(1e6)]));
    const { data } = shown(arquero(wide as never));
    expect(data['text/plain']).toMatch(/^Table, 1,000,000 rows, 30 columns\n/);
    expect(data['text/plain']).toMatch(/\n… 999,940 more rows, 6 more columns$/);
    expect(data['text/html'].match(/<tr>/g)).toHaveLength(61);
  });

  it('that fail to say what they hold are shown as text', () => {
    const broken = { columnNames: () => ['a'], numRows: () => 2, get: () => Promise.reject, count: 1 };
    broken.get = () => {
      throw new Error('gone');
    };
    expect(Object.keys(shown(broken).data)).toEqual(['text/plain']);
  });
});
