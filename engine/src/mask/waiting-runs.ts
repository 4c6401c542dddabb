import { AsyncContext } from '#async-context';

/** A run that asks a masker, as the code knows it that runs in the masker. */
export interface WaitingRun {
  /** How many runs wait for this one, each for a masker that started the next. */
  readonly depth: number;
  /** What the run holds, and others wait for: its session's queue. */
  readonly holds: object | undefined;
  /** The run whose masker started this one. */
  readonly outer: WaitingRun | undefined;
  /** False once the masker has answered, or the run was aborted. */
  waiting: boolean;
}

const context = new AsyncContext<WaitingRun>();

/**
 * Calls `work`, a masker, for a run: what runs in it, also after an `await`, is known to be inside the run. In a browser only what
 * runs before the first `await` is.
 * @returns what `work` returned, and the run, to be marked when it no longer waits
 */
export function insideRun<Result>(holds: object | undefined, work: (run: WaitingRun) => Result): Result {
  const outer = context.getStore();
  const run: WaitingRun = { depth: nestingDepth(), holds, outer, waiting: true };
  return context.run(run, () => work(run));
}

/** How many runs wait for what runs here: 0 outside of maskers. */
export function nestingDepth(): number {
  for (let run = context.getStore(); run; run = run.outer) if (run.waiting) return run.depth + 1;
  return 0;
}

/** Whether a run that waits for what runs here holds `held`: to wait for that would be to wait for ever. */
export function isHeldOutside(held: object): boolean {
  for (let run = context.getStore(); run; run = run.outer) if (run.waiting && run.holds === held) return true;
  return false;
}
