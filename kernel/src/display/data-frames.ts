import type { MimeBundle } from './bundle.js';
import { peek } from './own-display.js';
import { plainText } from './plain-text.js';
import { type Cell, type Table, tableHtml, tableText } from './tables/table.js';

const MOST_ROWS = 60;
const MOST_COLUMNS = 24;

/** A library's table as it describes itself. */
interface Frame {
  readonly kind: string;
  readonly columns: readonly string[];
  readonly rows: number;
  cell(row: number, column: number): unknown;
}

type Reader = (value: object) => Frame | undefined;

/** arquero: values of filtered and sorted tables too, in their order. */
const arquero: Reader = (value) => {
  const names = call(value, 'columnNames');
  const rows = call(value, 'numRows');
  const get = peek(value, 'get');
  if (!isNames(names) || typeof rows !== 'number' || typeof get !== 'function') return undefined;
  return {
    kind: 'Table',
    columns: names,
    rows,
    cell: (row, column) => get.call(value, names[column], row) as unknown,
  };
};

/** danfo.js: data frames, and series as frames of one column. */
const danfo: Reader = (value) => {
  const columns = peek(value, 'columns');
  const shape = peek(value, 'shape');
  const index = peek(value, 'index');
  if (!isNames(columns) || !Array.isArray(shape) || !Array.isArray(index)) return undefined;
  if (typeof peek(value, 'print') !== 'function') return undefined;
  const values = peek(value, 'values');
  if (!Array.isArray(values)) return undefined;
  const isSeries = shape.length === 1;
  return {
    kind: isSeries ? 'Series' : 'DataFrame',
    columns: ['', ...columns.map(String)],
    rows: values.length,
    cell: (row, column) => {
      if (column === 0) return index[row] as unknown;
      const item = values[row] as unknown;
      return isSeries ? item : (item as readonly unknown[])[column - 1];
    },
  };
};

/** Apache Arrow. */
const arrow: Reader = (value) => {
  const fields = peek((peek(value, 'schema') ?? {}) as object, 'fields');
  const rows = peek(value, 'numRows');
  const child = peek(value, 'getChildAt');
  if (!Array.isArray(fields) || typeof rows !== 'number' || typeof child !== 'function') return undefined;
  const columns = fields.map((field: { name?: unknown }) => String(field.name));
  const vectors = columns.map(
    (_, column) => child.call(value, column) as { get(row: number): unknown } | null,
  );
  return { kind: 'Arrow table', columns, rows, cell: (row, column) => vectors[column]?.get(row) };
};

/**
 * Tables of data frame libraries (arquero, danfo.js, Apache Arrow), known by their methods: their first rows and
 * columns. `undefined` for anything else.
 */
export function frameBundle(value: object): MimeBundle | undefined {
  for (const reader of [arquero, danfo, arrow]) {
    const frame = reader(value);
    if (frame) return bundleOf(frame);
  }
  return undefined;
}

function bundleOf({ kind, columns, rows, cell }: Frame): MimeBundle {
  const shown = Math.min(rows, MOST_ROWS);
  const width = Math.min(columns.length, MOST_COLUMNS);
  const cells = Array.from({ length: shown }, (_, row) =>
    Array.from({ length: width }, (_, column) => cell(row, column)),
  );
  const isNumber = (item: unknown) => typeof item === 'number' || typeof item === 'bigint';
  const more = [
    ...(rows > shown ? [`${(rows - shown).toLocaleString('en')} more rows`] : []),
    ...(columns.length > width ? [`${columns.length - width} more columns`] : []),
  ];
  const count = (number: number, noun: string) =>
    `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
  const table: Table = {
    summary: `${kind}, ${count(rows, 'row')}, ${count(columns.filter((name) => name !== '').length, 'column')}`,
    columns: columns.slice(0, width).map((label, column) => ({
      label,
      align: cells.length > 0 && cells.every((row) => isNumber(row[column])) ? 'right' : 'left',
    })),
    rows: cells.map((row) => row.map(text)),
    notes: more.length > 0 ? [`… ${more.join(', ')}`] : [],
  };
  return { data: { 'text/html': tableHtml(table), 'text/plain': tableText(table) }, metadata: {} };
}

function text(item: unknown): Cell {
  if (item === undefined || typeof item === 'number') return item;
  const written = typeof item === 'string' ? item : item instanceof Date ? dateText(item) : plainText(item);
  return written.length > 200 ? `${written.slice(0, 200)}…` : written;
}

const dateText = (date: Date) => (Number.isNaN(date.getTime()) ? 'Invalid Date' : date.toISOString());

function call(value: object, name: string): unknown {
  const method = peek(value, name);
  return typeof method === 'function' ? (method.call(value) as unknown) : undefined;
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string' || typeof name === 'number');
}
