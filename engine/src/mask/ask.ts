import { isPromise } from '../arguments/said.js';
import { unlessAborted } from '../unless-aborted.js';
import type { MaskDecision, Masker, MaskerContext } from './mask.js';
import { insideRun } from './waiting-runs.js';

/** What a run does while it waits for a masker. */
export interface Asking {
  /** Ends the wait; the masker's answer is then not used. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the wait for a masker that does not answer at once begins; what it returns, when it ends. */
  readonly onWait?: (() => () => void) | undefined;
  /** What the run keeps others from meanwhile: the queue of its session. */
  readonly holds?: object | undefined;
}

/**
 * Asks a masker for a block's cells.
 * @returns its answer as it stands, to be checked with `checkDecision`; a promise only if the masker gave one
 * @throws FoveaError `aborted`; whatever the masker itself throws
 */
export function ask(
  masker: Masker,
  context: MaskerContext,
  { signal, onWait, holds }: Asking,
): MaskDecision | Promise<MaskDecision> {
  return insideRun(holds, (run) => {
    let answer: MaskDecision | Promise<MaskDecision> | undefined;
    try {
      answer = masker.decide(context);
    } finally {
      if (!isPromise(answer)) run.waiting = false;
    }
    if (!isPromise(answer)) return answer;
    const ended = onWait?.();
    const end = () => {
      run.waiting = false;
      ended?.();
    };
    const wait = signal ? unlessAborted(answer, signal) : answer;
    wait.then(end, end);
    return wait;
  });
}
