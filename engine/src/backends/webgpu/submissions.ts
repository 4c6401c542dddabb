import { FoveaError } from '../../errors.js';
import type { Device } from './device.js';

/** @throws FoveaError `aborted` */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted');
}

/**
 * The submissions of one run. The GPU has two of them at most, so that it is never idle, others get their turns, and an
 * abort ends the run before the next one.
 */
export class Submissions {
  encoder: GPUCommandEncoder;
  /** How long the GPU took for those that have run, with what else it did meanwhile. */
  totalMs = 0;
  #work = 0;
  #finishedAt = 0;
  #running: Promise<void> = Promise.resolve();

  /** @param what is run, as a message names it */
  constructor(
    readonly device: Device,
    readonly what: string,
    readonly signal: AbortSignal | undefined,
  ) {
    this.encoder = device.gpu.createCommandEncoder();
  }

  /** True when what has been encoded leaves room for so much work, or nothing has. */
  hasRoom(work: number): boolean {
    return this.#work === 0 || this.#work + work <= this.device.bound.work;
  }

  /** Counts work that is encoded. */
  add(work: number): void {
    this.#work += work;
  }

  /**
   * Submits what has been encoded, and waits until the one before it has run.
   * @throws FoveaError `aborted`, and as `Device.submit` does
   */
  async next(): Promise<void> {
    checkAborted(this.signal);
    const before = this.#running;
    this.#running = this.#submit(() => this.device.finished()).then(() => undefined);
    // Waited for later, and not at all after a failure of the one before.
    this.#running.catch(() => undefined);
    await before;
  }

  /**
   * Submits what has been encoded, and reads what that put into the beginning of a buffer.
   * @throws as `next` does
   */
  async read(readable: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    checkAborted(this.signal);
    const before = this.#running;
    const read = this.#submit(() => this.device.read(readable, bytes));
    // Waited for in any case: the buffer can be mapped once at a time.
    const [content] = await Promise.allSettled([read, before]).then(() => Promise.all([read, before]));
    return content;
  }

  async #submit<Result>(finish: () => Promise<Result>): Promise<Result> {
    const { device } = this;
    const work = this.#work;
    const submittedAt = performance.now();
    const taken = device.submit(this.what, this.encoder);
    taken.catch(() => undefined);
    this.encoder = device.gpu.createCommandEncoder();
    this.#work = 0;
    const result = await finish();
    await taken;
    const now = performance.now();
    const ms = now - Math.max(submittedAt, this.#finishedAt);
    this.#finishedAt = now;
    this.totalMs += ms;
    device.bound.submitted(work, ms);
    return result;
  }
}
