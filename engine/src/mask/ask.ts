import { FoveaError } from '../errors.js';
import type { MaskDecision, Masker, MaskerContext } from './mask.js';

/** What a run does while it waits for a masker. */
export interface Asking {
  /** Ends the wait; the masker's answer is then not used. */
  readonly signal?: AbortSignal | undefined;
  /** Called before a masker is asked; what it returns is called when the masker has answered. */
  readonly onAsk?: (() => () => void) | undefined;
}

/**
 * Asks a masker for a block's cells.
 * @returns its answer as it stands, to be checked with `checkDecision`; a promise only if the masker gave one
 * @throws FoveaError `aborted`; whatever the masker itself throws
 */
export function ask(
  masker: Masker,
  context: MaskerContext,
  { signal, onAsk }: Asking,
): MaskDecision | Promise<MaskDecision> {
  const answered = onAsk?.();
  let answer: MaskDecision | Promise<MaskDecision> | undefined;
  try {
    answer = masker.decide(context);
  } finally {
    if (answered && !isPromise(answer)) answered();
  }
  if (!isPromise(answer)) return answer;
  if (answered) answer.then(answered, answered);
  return signal ? unlessAborted(answer, signal) : answer;
}

/** Also of promises that another realm's code made. */
export function isPromise<Value>(value: Value | Promise<Value>): value is Promise<Value> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new FoveaError('aborted', 'the run was aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).then(() => signal.removeEventListener('abort', abort));
  });
}
