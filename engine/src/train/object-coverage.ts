import type { ImageSize } from '../image/scale.js';

/** How much more a stage computes on the objects than beside them. */
export interface StageCoverage {
  readonly stage: number;
  /** Probability that a pixel on the object is in an active cell. */
  readonly onObject: number;
  /** The same beside the object. */
  readonly offObject: number;
  /** `onObject / offObject`. */
  readonly ratio: number;
}

/** Adds up, over images and blocks, where masks are active relative to the objects' regions. */
export class CoverageCounter {
  readonly #stages: { on: number; off: number; onActive: number; offActive: number }[] = [];

  /**
   * Counts one mask of one image.
   * @param cells `rows · columns` values of 0 or 1, row by row
   * @param region `height · width` values, 1 on the object
   */
  add(
    stage: number,
    cells: ArrayLike<number>,
    { rows, columns }: { readonly rows: number; readonly columns: number },
    region: Uint8Array,
    { height, width }: ImageSize,
  ): void {
    this.#stages[stage] ??= { on: 0, off: 0, onActive: 0, offActive: 0 };
    const count = this.#stages[stage]!;
    for (let y = 0; y < height; y++) {
      const row = Math.floor((y * rows) / height) * columns;
      for (let x = 0; x < width; x++) {
        const active = cells[row + Math.floor((x * columns) / width)]!;
        if (region[y * width + x] === 1) {
          count.on++;
          count.onActive += active;
        } else {
          count.off++;
          count.offActive += active;
        }
      }
    }
  }

  /** What was counted, by stage. */
  result(): StageCoverage[] {
    return this.#stages.map(({ on, off, onActive, offActive }, stage) => {
      const onObject = onActive / Math.max(1, on);
      const offObject = offActive / Math.max(1, off);
      return { stage, onObject, offObject, ratio: onObject / Math.max(1e-9, offObject) };
    });
  }
}
