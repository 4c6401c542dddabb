import { FoveaError } from '@fovea/engine';
import { plainGranularity } from '@fovea/engine/internal';

/**
 * Reads a number from 0 to 1.
 * @throws FoveaError `bad-argument` naming the option
 */
export function parseRate(option: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1)) {
    throw new FoveaError('bad-argument', `${option} "${text}": a number from 0 to 1 is accepted`);
  }
  return value;
}

/** Reads rates separated by commas. */
export function parseRates(option: string, text: string): number[] {
  return text.split(',').map((part) => parseRate(option, part));
}

/**
 * Reads a number of at least 0.
 * @throws FoveaError `bad-argument` naming the option
 */
export function parseNumber(option: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0) || value === Number.POSITIVE_INFINITY) {
    throw new FoveaError('bad-argument', `${option} "${text}": a number of at least 0 is accepted`);
  }
  return value;
}

/**
 * Reads an integer of at least `minimum`.
 * @throws FoveaError `bad-argument` naming the option
 */
export function parseInteger(option: string, text: string, minimum = 1): number {
  const value = Number(text);
  if (!/^\s*-?\d+\s*$/.test(text) || !Number.isSafeInteger(value) || value < minimum) {
    throw new FoveaError('bad-argument', `${option} ${text}: an integer of at least ${minimum} is accepted`);
  }
  return value;
}

/**
 * Reads the height and width of an image: `224`, or `160x224` (height first).
 * @throws FoveaError `bad-argument` naming the option
 */
export function parseSize(option: string, text: string): { height: number; width: number } {
  const match = /^([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?$/.exec(text);
  if (!match) {
    throw new FoveaError(
      'bad-argument',
      `${option} ${text}: a side (224) or HEIGHTxWIDTH (160x224) is accepted`,
    );
  }
  return { height: Number(match[1]), width: Number(match[2] ?? match[1]) };
}

/** Prints one JSON document. S of the whole map is infinite, which JSON has no number for, and becomes `whole`. */
export function printJson(value: unknown): void {
  const plain = (key: string, field: unknown) =>
    key === 'granularity' && typeof field === 'number' ? plainGranularity(field) : field;
  process.stdout.write(`${JSON.stringify(value, plain, 2)}\n`);
}

/** Rows as aligned columns; numbers to the right. */
export function asTable(rows: readonly (readonly string[])[]): string {
  // One by one: a sweep may have more rows than a call takes arguments.
  const widths = rows[0]!.map((_, column) =>
    rows.reduce((width, cells) => Math.max(width, cells[column]!.length), 0),
  );
  const numeric = rows[0]!.map((_, column) =>
    rows.slice(1).every((cells) => /^[-\d.,%x ]*$/.test(cells[column]!)),
  );
  return rows
    .map((cells) =>
      cells
        .map((cell, i) => (numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
