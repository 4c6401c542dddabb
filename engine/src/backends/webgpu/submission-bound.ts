import type { Work } from '../../program/work.js';

/** FLOPs that a GPU does in the time of moving a byte, roughly: 5 to 10 on those that were looked up. */
const FLOPS_PER_BYTE = 8;

/**
 * Work of a submission to a GPU of unknown speed. What attains 10 GFLOP/s, the slowest integrated ones, takes 0.8 s;
 * Windows takes a device away from what computes on it for 2 s.
 */
const FIRST_WORK = 8e9;

/** No less is in a submission or made a dispatch of its own. */
export const LEAST_WORK = 5e8;

/** How long a submission should take once the GPU's speed is known, ms: an abort waits for two of them at most. */
const WANTED_MS = 50;

/** From here on a run says how slow a GPU is; the time of a shorter one is mostly that of its start and end, ms. */
const LONG_MS = 25;

/** Work in one number: FLOPs, and bytes as the FLOPs that take as long. */
export function workIn({ flops, bytes }: { readonly flops: number; readonly bytes: number }): number {
  return flops + FLOPS_PER_BYTE * bytes;
}

/** The most that it can come to, whatever the masks say. */
export function mostWork(work: Work): number {
  let most = 0;
  for (const term of work)
    most += Math.max(0, workIn(term)) * (term.per === 'pixels' ? term.region.pixels : 1);
  return most;
}

/**
 * How much work one submission may hold, so that the operating system does not take the GPU for hung, other programs get
 * their turns, and a run can stop. It follows from the time of runs: a calibration or a tuning may be of another day.
 */
export class SubmissionBound {
  #work: number;

  /** @param software for a program in the place of a GPU, which is slower than any */
  constructor(software: boolean) {
    this.#work = software ? LEAST_WORK : FIRST_WORK;
  }

  get work(): number {
    return this.#work;
  }

  /**
   * Learns from a submission.
   * @param most work that was in it: masks may have left out most, so that it says nothing of how fast a GPU is
   */
  submitted(most: number, ms: number): void {
    if (ms > LONG_MS) this.#work = Math.min(this.#work, fitting(most, ms));
  }

  /** Learns from a run, or from dispatches that were timed, given the work that was really done. */
  ran(work: number, ms: number): void {
    const fits = fitting(work, ms);
    if (ms > LONG_MS || fits > this.#work) this.#work = fits;
  }
}

function fitting(work: number, ms: number): number {
  return ms > 0 ? Math.max(LEAST_WORK, (work / ms) * WANTED_MS) : LEAST_WORK;
}
