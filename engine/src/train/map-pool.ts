/** Gradients and passing values of maps are needed only for a moment: arrays of about equal length are used again. */
export class MapPool {
  readonly #free: Float32Array[] = [];

  /** An array of at least `length` values, whatever they are. */
  take(length: number): Float32Array {
    const at = this.#free.findIndex((array) => array.length >= length && array.length <= 2 * length);
    return at < 0 ? new Float32Array(length) : this.#free.splice(at, 1)[0]!;
  }

  give(array: Float32Array): void {
    this.#free.push(array);
  }
}
