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

  /** Runs `work` when it is its turn, in the order of the calls. */
  async take<T>(alone: boolean, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((start) => {
      this.#waiting.push({ alone, start });
      this.#advance();
    });
    try {
      return await work();
    } finally {
      if (alone) this.#alone = false;
      else this.#shared--;
      this.#advance();
    }
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
