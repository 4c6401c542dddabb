import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';

/** How attention pools: over the whole map, or over active pixels only. */
export type Excitation = 'exact' | 'active';

/**
 * @param source what asks for it, for the message
 * @returns the mode as given
 * @throws FoveaError `bad-argument` for anything but `exact` and `active`
 */
export function checkExcitation(mode: unknown, source: string): Excitation {
  if (mode !== 'exact' && mode !== 'active') {
    throw new FoveaError('bad-argument', `${source}: excitation ${said(mode)}; exact or active is accepted`);
  }
  return mode;
}
