/** How much work a killed run may lose at most, beside the step in hand. */
const longestUnsavedMs = 60_000;

/** When a run's state is to be saved: after so many steps, and after a minute however long steps take. */
export class SaveRhythm {
  #savedMs = performance.now();

  constructor(private readonly everySteps: number) {}

  /** Whether the state after so many steps is to be saved, which then counts as done. */
  isDue(step: number): boolean {
    const now = performance.now();
    const isDue = step % this.everySteps === 0 || now - this.#savedMs >= longestUnsavedMs;
    if (isDue) this.#savedMs = now;
    return isDue;
  }
}
