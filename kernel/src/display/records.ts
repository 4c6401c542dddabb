import { counted } from '../presentation/index.js';
import type { MimeBundle } from './bundle.js';
import { escapeMarkup } from './draw/svg.js';
import { errorLine } from './plain-text.js';

const MAX_ROWS = 60;
const MAX_COLUMNS = 24;

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const leftOut = (count: number, noun: string) => (count === 0 ? '' : counted(count, `more ${noun}`));

/** A list of plain objects as an HTML table; `undefined` for any other list. Getters that throw are contained. */
export function recordsTable(
  list: readonly unknown[],
  text: (value: unknown) => string,
): MimeBundle | undefined {
  if (list.length === 0 || !list.every(isRecord)) return undefined;
  const rows = list.slice(0, MAX_ROWS) as Record<string, unknown>[];
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = names.slice(0, MAX_COLUMNS);
  if (columns.length === 0) return undefined;
  const cell = (row: Record<string, unknown>, column: string) => {
    if (!Object.hasOwn(row, column)) return '<td></td>';
    try {
      const value = row[column];
      const content = typeof value === 'string' ? value : text(value);
      const short = content.length > 200 ? `${content.slice(0, 200)}…` : content;
      return `<td${typeof value === 'number' ? ' style="text-align:right"' : ''}>${escapeMarkup(short)}</td>`;
    } catch (error) {
      return `<td><i>${escapeMarkup(errorLine(error))}</i></td>`;
    }
  };
  const head = `<tr><td></td>${columns.map((column) => `<th>${escapeMarkup(column)}</th>`).join('')}</tr>`;
  const body = rows.map(
    (row, index) => `<tr><th>${index}</th>${columns.map((column) => cell(row, column)).join('')}</tr>`,
  );
  const more = [leftOut(list.length - rows.length, 'row'), leftOut(names.length - columns.length, 'column')]
    .filter((note) => note !== '')
    .join(', ');
  return {
    data: {
      'text/html': `<table style="table-layout:auto"><thead>${head}</thead><tbody>${body.join('')}</tbody></table>${more && `<p>${more}</p>`}`,
    },
    metadata: {},
  };
}
