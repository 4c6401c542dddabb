import { FoveaError } from '../errors.js';

/**
 * Refuses a name that belongs to the engine itself: what is compared with it must be compared with the same everywhere.
 *
 * @param kind what is named, for the message
 * @throws FoveaError `bad-argument`
 */
export function refuseOwnName(kind: string, name: string, own: readonly string[]): void {
  if (!own.includes(name)) return;
  throw new FoveaError(
    'bad-argument',
    `${kind} "${name}" is one of the engine's own; a name besides ${own.join(', ')} is accepted`,
  );
}
