import { fail, list, number, object, oneOf, optionalNumber, text, version, whole } from './check-fields';
import { readLatency } from './latency';
import type { SweepDocument } from './types';

const STATES: readonly SweepDocument['state'][] = ['running', 'paused', 'cancelled', 'completed', 'stopped'];

function cell(value: unknown, path: string): void {
  if (typeof value !== 'string') number(value, path);
}

/**
 * Reads a document of `application/vnd.fovea.sweep.v1+json`; unknown fields are left alone.
 *
 * @returns the same object, now known to be sound.
 * @throws MalformedDocument naming the first field that is not.
 */
export function readSweep(value: unknown): SweepDocument {
  const fields = object(value, '');
  version(fields.version);
  text(fields.id, 'id');
  text(fields.name, 'name');
  oneOf(fields.state, 'state', STATES);
  for (const name of ['points', 'completed', 'failed']) whole(fields[name], name, 0);
  number(fields.elapsedMs, 'elapsedMs', 0);
  optionalNumber(fields.leftMs, 'leftMs', 0);
  list(fields.running, 'running', (each, path) => {
    const point = object(each, path);
    text(point.label, `${path}.label`);
    text(point.worker, `${path}.worker`);
    number(point.fraction, `${path}.fraction`, 0, 1);
  });
  list(fields.notices, 'notices', text);
  if (fields.skipped !== undefined) list(fields.skipped, 'skipped', text);
  const table = object(fields.table, 'table');
  const columns = list(table.columns, 'table.columns', text);
  list(table.rows, 'table.rows', (row, path) => {
    if (list(row, path, cell).length !== columns.length) fail(path, row, `${columns.length} cells`);
  });
  if (fields.latency !== undefined) readLatency(fields.latency);
  return value as SweepDocument;
}
