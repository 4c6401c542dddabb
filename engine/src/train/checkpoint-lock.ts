import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { FoveaError } from '../errors.js';
import { type Release, takeLock } from '../lock.js';
import { checkWritable, targetOf } from '../replace-file.js';

/** A run of this process that keeps its state in a file. */
interface Holder {
  /** Of the lock. */
  readonly path: string;
  readonly release: Release;
  readonly signal: AbortSignal | undefined;
  readonly ended: Promise<void>;
}

/** By the path of their locks. */
const holders = new Map<string, Holder>();

/** What the code around holds already. */
const heldAround = new AsyncLocalStorage<Holder>();

/** How long a run that was aborted may take for the step in hand, before it is taken for one that was terminated. */
const longestEndingMs = 30_000;

/**
 * Works on the state of a run that a file keeps while nobody else does, in this process or another one: two would write
 * over each other's state by turns. A command that does more with the file than to train holds it around all of that.
 * @param checkpoint where the state is kept; without it there is nothing to hold
 * @param signal the run's: one that was aborted is waited for, since it saves its state before it ends
 * @param endingMs how long that may take
 * @throws FoveaError `bad-argument` while another run keeps its state there, `io` when the file cannot be written, and
 *   what `work` throws
 */
export async function holdingCheckpoint<Result>(
  checkpoint: string | undefined,
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
  endingMs = longestEndingMs,
): Promise<Result> {
  if (checkpoint === undefined) return work();
  await checkWritable(checkpoint);
  const path = `${await targetOf(checkpoint)}.lock`;
  if (heldAround.getStore()?.path === path) return work();
  await abortedEnded(path, endingMs);
  const release = await takeLock(path, `a run that keeps its state in ${checkpoint}`);
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const holder = { path, release, signal, ended };
  holders.set(path, holder);
  try {
    return await heldAround.run(holder, work);
  } finally {
    // One that was given up must not take the lock from who has it now.
    if (holders.get(path) === holder) {
      holders.delete(path);
      await release();
    }
    end();
  }
}

/**
 * Makes sure that the run around still holds its checkpoint: one that slept, or was held up, for longer than others wait
 * must not write over the state of the run that has it by now.
 * @throws FoveaError `io`
 */
export async function checkStillHeld(checkpoint: string): Promise<void> {
  const holder = heldAround.getStore();
  if (!holder || (holders.get(holder.path) === holder && !(await holder.release.isLost()))) return;
  throw new FoveaError(
    'io',
    `cannot save ${checkpoint}: another run keeps its state there by now, which had heard nothing of this one`,
  );
}

/**
 * Waits for a run of this process that was aborted. A kernel terminates cells that do not end by themselves, which skips
 * `finally`: the lock of such a run is given back for it.
 */
async function abortedEnded(path: string, endingMs: number): Promise<void> {
  const holder = holders.get(path);
  if (!holder?.signal?.aborted) return;
  await Promise.race([holder.ended, delay(endingMs, undefined, { ref: false })]);
  if (holders.get(path) !== holder) return;
  holders.delete(path);
  await holder.release();
}
