import { availableParallelism } from 'node:os';
import type { PointKind } from '../point.js';

/** Points that share the machine: they differ in what they count, not by how long they take. */
const sharing: ReadonlySet<PointKind> = new Set(['evaluate']);

/** How many points of a kind may run at once on a machine. */
export function pointsAtOnce(kind: PointKind): number {
  return sharing.has(kind) ? availableParallelism() : 1;
}

/** Turns of this process's points on the machine: a measurement has it for itself, others share it. */
export class Turns {
  #alone = false;
  #shared = 0;
  readonly #waiting: { readonly alone: boolean; readonly start: () => void }[] = [];

  /**
   * Runs `work` when it is its turn, in the order of the calls.
   * @param signal gives the turn up while it is waited for
   * @returns undefined when it was given up
   */
  async take<T>(alone: boolean, signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    if (!(await this.#wait(alone, signal))) return undefined;
    try {
      return await work();
    } finally {
      if (alone) this.#alone = false;
      else this.#shared--;
      this.#advance();
    }
  }

  /** Resolves to whether the turn has come; otherwise it was given up. */
  #wait(alone: boolean, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(false);
      const turn = {
        alone,
        start: () => {
          signal.removeEventListener('abort', giveUp);
          resolve(true);
        },
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        resolve(false);
        // It may have been in the way of others.
        this.#advance();
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.push(turn);
      this.#advance();
    });
  }

  #advance(): void {
    for (let next = this.#waiting[0]; next && this.#isFree(next.alone); next = this.#waiting[0]) {
      this.#waiting.shift();
      if (next.alone) this.#alone = true;
      else this.#shared++;
      next.start();
    }
  }

  #isFree(alone: boolean): boolean {
    if (this.#alone) return false;
    return alone ? this.#shared === 0 : this.#shared < availableParallelism();
  }
}

/** The turns of all sweeps of this process. */
export const machineTurns = new Turns();
