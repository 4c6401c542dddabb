import { type Addon, loadAddon } from '../backends/addon.js';
import { asFoveaError } from '../backends/native/addon.js';
import { FoveaError } from '../errors.js';

/** Anything that an operation reads or writes: 4-byte elements. */
export type TrainBuffer = Float32Array | Int32Array | Uint32Array;

/** One operation of a training program; engine/native/train/op_*.cc says what each expects. */
export interface TrainOp {
  readonly op: string;
  readonly dims: readonly number[];
  readonly buffers: readonly TrainBuffer[];
}

interface NativeTraining {
  trainCompile(ops: readonly TrainOp[]): unknown;
  trainRun(
    program: unknown,
    first: number,
    last: number,
    threads: number,
    stop: Int32Array,
    seconds: Float64Array,
  ): Promise<boolean>;
  trainInstructionSet(): string;
}

function native(): NativeTraining {
  const { addon, reason } = loadAddon() as { addon?: Addon & NativeTraining; reason?: string };
  if (!addon) {
    throw new FoveaError('backend-unavailable', `training needs the native kernels: ${reason}`);
  }
  return addon;
}

/** True when this machine can train: the native kernels are built. */
export function canTrain(): boolean {
  return loadAddon().addon !== undefined;
}

/**
 * A list of operations over typed arrays that is checked once and then run as often as wanted, on native
 * threads. The arrays are shared: what is written to them between runs is what the next run
 * reads, and their memory must not be given away during one.
 */
export class TrainProgram {
  /** Seconds spent in each operation so far, for finding out where a step's time goes. */
  readonly seconds: Float64Array;
  readonly #handle: unknown;

  /**
   * @throws FoveaError `backend-unavailable` without native kernels, `bad-shape` when a buffer is too small or the
   *   dimensions of an operation do not go together
   */
  constructor(readonly ops: readonly TrainOp[]) {
    this.seconds = new Float64Array(ops.length);
    const addon = native();
    try {
      this.#handle = addon.trainCompile(ops);
    } catch (error) {
      throw new FoveaError('bad-shape', (error as Error).message);
    }
  }

  /**
   * Runs every operation in order.
   * @param stop `stop[0] ≠ 0` ends the run before the next operation
   * @returns false when it was stopped
   * @throws FoveaError `bad-argument` when there is not enough memory, for `threads` out of range, or while it runs already
   */
  async run(threads: number, stop: Int32Array): Promise<boolean> {
    try {
      return await native().trainRun(this.#handle, 0, this.ops.length, threads, stop, this.seconds);
    } catch (error) {
      throw asFoveaError(error);
    }
  }
}

/** Name of the instruction set that the training kernels use on this processor. */
export function trainInstructionSet(): string {
  return native().trainInstructionSet();
}
