import { FoveaError } from '../../errors.js';

/** Enough for what import does besides keeping the weights once. */
const spareBytes = 256 * 2 ** 20;

/**
 * Bounds the work and memory of an import by the size of the file. Weights of real networks are used once or a
 * few times; a file that is made to be expensive refers to the same weights thousands of times.
 */
export class Budget {
  private left: number;

  /** @param fileBytes bytes of the model and its external data */
  constructor(
    private readonly source: string,
    private readonly fileBytes: number,
  ) {
    this.left = 16 * fileBytes + spareBytes;
  }

  /**
   * Accounts for bytes that are about to be made.
   * @throws FoveaError `unsupported` when the file would need far more memory than its size justifies
   */
  spend(bytes: number): void {
    this.left -= bytes;
    if (this.left < 0) {
      throw new FoveaError(
        'unsupported',
        `${this.source}: uses the same weights so often that importing it would take more than 16 times its size`,
      );
    }
  }

  /** As much as is left, for one of several attempts at the same work. */
  another(): Budget {
    const other = new Budget(this.source, this.fileBytes);
    other.left = this.left;
    return other;
  }

  /** Accounts for bytes if there is room for them; false, and nothing spent, when there is not. */
  affords(bytes: number): boolean {
    if (!(bytes <= this.left)) return false;
    this.left -= bytes;
    return true;
  }
}
