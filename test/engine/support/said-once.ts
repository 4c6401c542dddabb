import { FoveaError } from '@fovea/engine';
import { expect } from 'vitest';

/** Expects a FoveaError with such a code and message, of whose causes none says again what it says itself. */
export async function expectSaidOnce(
  failing: () => unknown,
  code: FoveaError['code'],
  message: RegExp,
): Promise<FoveaError> {
  const error = await Promise.resolve()
    .then(failing)
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(FoveaError);
  const thrown = error as FoveaError;
  expect([thrown.code, thrown.message]).toEqual([code, expect.stringMatching(message)]);
  for (let at = thrown.cause; at instanceof Error; at = at.cause)
    expect(thrown.message).not.toContain(at.message);
  return thrown;
}
