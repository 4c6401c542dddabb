import { FoveaError, type FoveaErrorCode } from './errors.js';

/**
 * An error in other words or with another code, as if it had been thrown so where it was: as the cause of another it
 * would only say the same sentence again.
 */
export function reworded(error: FoveaError, message: string, code: FoveaErrorCode = error.code): FoveaError {
  const { cause, stack } = error;
  const again = new FoveaError(code, message, cause === undefined ? undefined : { cause });
  if (stack !== undefined) again.stack = stack.replace(error.message, () => message);
  return again;
}
