import { inspect } from 'node:util';
import { userNames } from './globals.js';

/** A variable as `%who` lists it. */
export interface VariableRow {
  readonly name: string;
  readonly type: string;
  readonly value: string;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'function')
    return /^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'function';
  if (typeof value !== 'object') return typeof value;
  try {
    const { name } = value.constructor as { name?: unknown };
    return typeof name === 'string' && name !== '' ? name : 'Object';
  } catch {
    return 'Object';
  }
}

/** The variables that cells have declared and that still have a value. */
export function listVariables(): VariableRow[] {
  const rows: VariableRow[] = [];
  for (const name of [...userNames].sort()) {
    const value = (globalThis as Record<string, unknown>)[name];
    if (value === undefined) continue;
    let text: string;
    try {
      text = inspect(value, {
        depth: 0,
        breakLength: Number.POSITIVE_INFINITY,
        maxStringLength: 60,
        maxArrayLength: 6,
      });
    } catch {
      text = '(cannot be shown)';
    }
    rows.push({ name, type: typeOf(value), value: text.replace(/\s+/g, ' ').slice(0, 80) });
  }
  return rows;
}

/** Forgets all variables that cells have declared. */
export function resetVariables(): number {
  const count = userNames.size;
  for (const name of userNames) {
    // Functions declared by a script cannot be deleted, only emptied.
    if (!Reflect.deleteProperty(globalThis, name)) (globalThis as Record<string, unknown>)[name] = undefined;
  }
  userNames.clear();
  return count;
}
