import { numberText } from './number-text.js';

/** What a cell of a CSV file may hold; undefined leaves it empty. */
type CsvValue = string | number | undefined;

/**
 * Rows as a CSV file (RFC 4180), with quotes where they are needed. Integers keep all their digits.
 * @param lineEnd of every line; shell tools take a carriage return for part of the last cell
 */
export function csvText(rows: readonly (readonly CsvValue[])[], lineEnd: '\r\n' | '\n' = '\r\n'): string {
  return rows.map((row) => `${row.map(csvField).join(',')}${lineEnd}`).join('');
}

function csvField(value: CsvValue): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return numberText(value);
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
