import { FoveaError } from '../errors.js';
import type { Tensor } from '../tensor.js';

/** @throws FoveaError `bad-argument` naming the first value that is infinite or not a number */
export function checkFinite({ data }: Tensor): void {
  // A value times 0 is 0 unless it is NaN or infinite.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]! * 0;
  if (sum === 0) return;
  const at = data.findIndex((value) => !Number.isFinite(value));
  throw new FoveaError('bad-argument', `input value ${at} is ${data[at]}; finite numbers are accepted`);
}
