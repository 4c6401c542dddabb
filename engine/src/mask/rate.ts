import { FoveaError } from '../errors.js';

/** @throws FoveaError `bad-argument` when `rate` is not a number from 0 to 1 */
export function checkRate(rate: number): number {
  if (!(rate >= 0 && rate <= 1)) {
    throw new FoveaError('bad-argument', `activation rate ${rate}: a number from 0 to 1 is accepted`);
  }
  return rate;
}
