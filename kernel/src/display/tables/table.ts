import { anObject, expectArgument, type Kind } from '@fovea/engine/files';
import { escapeMarkup } from '../draw/svg.js';

/** A cell: text or a number, or a bar of parts from the left, each a fraction of the column's width. */
export type Cell =
  | string
  | number
  | undefined
  | {
      readonly text: string;
      readonly bar: readonly { readonly fraction: number; readonly colour: string }[];
    };

/** A column of a table. */
export interface Column {
  readonly label: string;
  readonly align?: 'left' | 'right';
}

/** A column of figures. */
export const right = (label: string): Column => ({ label, align: 'right' });

/** What HTML and text tables are both written from. */
export interface Table {
  readonly title?: string;
  /** One line under the title. */
  readonly summary?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** Sentences under the table. */
  readonly notes?: readonly string[];
}

const aTable: Kind = {
  accepted: 'a table { columns, rows }',
  holds: (value) => {
    if (!anObject.holds(value)) return false;
    const { columns, rows } = value as Table;
    return (
      Array.isArray(columns) &&
      columns.every(anObject.holds) &&
      Array.isArray(rows) &&
      rows.every(Array.isArray)
    );
  },
};

/** Rows written out; of longer tables the beginning and the end are shown. */
const mostRows = 200;

type Row = readonly Cell[] | { readonly omitted: number };

function visibleRows({ rows }: Table): readonly Row[] {
  if (rows.length <= mostRows) return rows;
  const half = mostRows / 2;
  return [...rows.slice(0, half), { omitted: rows.length - 2 * half }, ...rows.slice(-half)];
}

const cellText = (cell: Cell): string =>
  cell === undefined ? '' : typeof cell === 'object' ? cell.text : String(cell);

/** An HTML table that needs no style sheet and takes the colours of the page it is on. */
export function tableHtml(table: Table): string {
  expectArgument(table, aTable, 'tableHtml: table');
  const { title, summary, columns, notes = [] } = table;
  // Figures stay in one line, however narrow the page is: sentences beside them can be broken.
  const align = (column: number) =>
    columns[column]?.align === 'right' ? 'text-align:right;white-space:nowrap' : 'text-align:left';
  // A heading without text would be read out as one; a table without headings has no row for them.
  const heading = ({ label }: Column, i: number) =>
    label === '' ? '<td></td>' : `<th style="${align(i)}">${escapeMarkup(label)}</th>`;
  const head = columns.some(({ label }) => label !== '')
    ? `<thead><tr>${columns.map(heading).join('')}</tr></thead>`
    : '';
  const body = visibleRows(table).map((row) => {
    if ('omitted' in row) {
      return `<tr><td colspan="${columns.length}" style="text-align:center">… ${row.omitted} more rows …</td></tr>`;
    }
    return `<tr>${columns.map((_, i) => `<td style="${align(i)}">${cellHtml(row[i])}</td>`).join('')}</tr>`;
  });
  return [
    '<div>',
    title === undefined ? '' : `<div><strong>${escapeMarkup(title)}</strong></div>`,
    summary === undefined ? '' : `<div>${escapeMarkup(summary)}</div>`,
    columns.length === 0
      ? ''
      : // JupyterLab gives all columns of a table one width; these are as wide as what is in them.
        `<table style="table-layout:auto">${head}<tbody>${body.join('\n')}</tbody></table>`,
    ...notes.map((note) => `<div><em>${escapeMarkup(note)}</em></div>`),
    '</div>',
  ]
    .filter((line) => line !== '')
    .join('\n');
}

function cellHtml(cell: Cell): string {
  if (typeof cell !== 'object') return escapeMarkup(cellText(cell));
  const parts = cell.bar.map(({ fraction, colour }) => {
    const width = Math.max(0, Math.min(1, fraction)) * 120;
    return `<span style="display:inline-block;height:10px;width:${width.toFixed(1)}px;background-color:${colour}"></span>`;
  });
  return `<span style="white-space:nowrap">${parts.join('')} ${escapeMarkup(cell.text)}</span>`;
}

/** The same as aligned columns of plain text. */
export function tableText(table: Table): string {
  expectArgument(table, aTable, 'tableText: table');
  const { title, summary, columns, notes = [] } = table;
  const rows = visibleRows(table);
  const widths = columns.map(({ label }, i) =>
    Math.max([...label].length, ...rows.map((row) => ('omitted' in row ? 0 : [...cellText(row[i])].length))),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((text, i) => {
        const space = ' '.repeat(Math.max(0, widths[i]! - [...text].length));
        return columns[i]?.align === 'right' ? space + text : text + space;
      })
      .join('  ')
      .trimEnd();
  const body = rows.map((row) =>
    'omitted' in row ? `… ${row.omitted} more rows …` : line(columns.map((_, i) => cellText(row[i]))),
  );
  return [
    ...(title === undefined ? [] : [title]),
    ...(summary === undefined ? [] : [summary]),
    ...(columns.length === 0
      ? []
      : [line(columns.map(({ label }) => label)), line(widths.map((width) => '─'.repeat(width))), ...body]),
    ...notes,
  ].join('\n');
}
