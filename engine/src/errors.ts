/**
 * The one error class that users of Fovea meet. Every message names the offending value and says what
 * would have been accepted; `code` is stable, so that programs can distinguish the cases.
 */
export type FoveaErrorCode =
  | 'bad-argument'
  | 'bad-shape'
  | 'bad-file'
  | 'unsupported'
  | 'unknown-name'
  | 'backend-unavailable'
  | 'aborted'
  | 'diverged'
  | 'disagreement'
  | 'io';

/** Every error that Fovea throws on purpose: a stable code, and a message that names the value and what is accepted. */
export class FoveaError extends Error {
  override readonly name = 'FoveaError';

  /**
   * @param code stable, machine-readable kind of the failure
   * @param message one sentence that names the value and what would be accepted
   * @param options `cause`: the underlying error, when there is one
   */
  constructor(
    readonly code: FoveaErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
