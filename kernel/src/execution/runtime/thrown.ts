import { inspect } from 'node:util';
import type { ThrownValue } from '../wire.js';
import { importLines } from './modules/loader.js';

/** Characters of a message, or of the frames of a stack, that are sent and kept in the notebook. */
const MOST_CHARACTERS = 100_000;

const shown = new Set(['name', 'message', 'stack', 'cause', 'errors']);

function text(read: () => unknown, fallback: string): string {
  try {
    const value = read();
    return typeof value === 'string'
      ? value
      : value === undefined || value === null
        ? fallback
        : String(value);
  } catch {
    return fallback;
  }
}

function shortened(message: string): string {
  const left = message.length - MOST_CHARACTERS;
  return left > 0 ? `${message.slice(0, MOST_CHARACTERS)}... ${left} more characters` : message;
}

/** A stack from the end of its message on: a long one leaves room for the frames, and one with a stack in it adds none. */
function framesOf(stack: string, message: string): string {
  const at = stack.indexOf(message);
  return stack.slice(at < 0 ? 0 : at + message.length).slice(0, MOST_CHARACTERS);
}

/** Takes a thrown value apart without ever throwing itself, whatever its getters do. */
export function describeThrown(value: unknown, depth = 0): ThrownValue {
  try {
    const isError =
      typeof value === 'object' &&
      value !== null &&
      ('stack' in value || ('message' in value && 'name' in value));
    if (!isError) {
      const message = typeof value === 'string' ? value : inspect(value, { depth: 2 });
      return { name: 'Error', message: shortened(message), stack: '' };
    }
    const error = value as Error & { errors?: unknown };
    const extra = Object.entries(Object.getOwnPropertyDescriptors(error))
      .filter(([key, { enumerable, value }]) => enumerable && value !== undefined && !shown.has(key))
      .map(
        ([key, { value }]) =>
          `${key}: ${inspect(value, { depth: 1, breakLength: Infinity, maxStringLength: 200 })}`,
      );
    const cause = depth < 8 && 'cause' in error && error.cause !== undefined ? error.cause : undefined;
    const errors = depth < 3 && Array.isArray(error.errors) ? error.errors.slice(0, 10) : undefined;
    const line = importLines.get(error);
    const message = text(() => error.message, '');
    return {
      ...(line === undefined ? {} : { line }),
      name: shortened(text(() => error.name, 'Error') || 'Error'),
      message: shortened(message),
      stack: framesOf(
        text(() => error.stack, ''),
        message,
      ),
      ...(cause === undefined ? {} : { cause: describeThrown(cause, depth + 1) }),
      ...(errors ? { errors: errors.map((member) => describeThrown(member, depth + 1)) } : {}),
      ...(extra.length > 0 ? { details: extra.join(', ').slice(0, 2000) } : {}),
    };
  } catch {
    return { name: 'Error', message: 'a value was thrown that cannot be shown', stack: '' };
  }
}
