import { type Device, usage } from './device.js';
import { type QuerySets, SET_QUERIES } from './query-sets.js';

const QUERY_BYTES = 8;

/** What clocks that are rounded may add to a time, ms: browsers round timestamps to about 0.1 ms, their own clock to 1 ms. */
const ROUNDING_MS = 2;

/** Steps between timestamps from which on they hide what a pass takes, ns. No GPU counts in so large ones. */
const LARGE_STEP = 10_000n;

/** Times of compute passes, taken by the GPU itself. */
export class PassTimer {
  readonly bytes: number;
  readonly #descriptors: readonly GPUComputePassDescriptor[];

  private constructor(
    /** How many compute passes. */
    readonly passes: number,
    readonly sets: readonly GPUQuerySet[],
    readonly resolved: GPUBuffer,
  ) {
    this.bytes = bytesOf(passes);
    this.#descriptors = Array.from({ length: passes }, (_, at): GPUComputePassDescriptor => {
      const first = (2 * at) % SET_QUERIES;
      return {
        timestampWrites: {
          querySet: sets[Math.floor((2 * at) / SET_QUERIES)]!,
          beginningOfPassWriteIndex: first,
          endOfPassWriteIndex: first + 1,
        },
      };
    });
  }

  /**
   * A timer of so many passes; undefined where the device times none, or has no queries left.
   * @param queries whose sets it uses, as no other timer does at the same time
   */
  static async make(device: Device, passes: number, queries: QuerySets): Promise<PassTimer | undefined> {
    if (!device.timed) return undefined;
    const resolved = device.buffer('times', bytesOf(passes), usage.queryResolve | usage.copySource);
    const sets = await queries.of(2 * passes);
    if (sets) return new PassTimer(passes, sets, resolved);
    resolved.destroy();
    return undefined;
  }

  /** Of pass `at`, so that it is timed. */
  descriptor(at: number): GPUComputePassDescriptor {
    return this.#descriptors[at]!;
  }

  /** Encodes the copy of all times to a buffer. */
  encodeRead(encoder: GPUCommandEncoder, destination: GPUBuffer, offset: number): void {
    this.sets.forEach((set, i) => {
      const first = i * SET_QUERIES;
      const count = Math.min(SET_QUERIES, 2 * this.passes - first);
      encoder.resolveQuerySet(set, 0, count, this.resolved, first * QUERY_BYTES);
    });
    encoder.copyBufferToBuffer(this.resolved, 0, destination, offset, this.bytes);
  }

  /**
   * Milliseconds of each pass; those of an earlier run for one that was not encoded since. 0 where timestamps say nothing:
   * GPUs start counting again now and then, and some drivers write no timestamp, or a number that means none.
   * @param withinMs how long all of it took by the processor's clock: no pass took longer
   */
  read(bytes: ArrayBuffer, offset: number, withinMs: number): Float64Array {
    const times = new BigUint64Array(bytes, offset, 2 * this.passes);
    const milliseconds = new Float64Array(this.passes);
    for (let at = 0; at < this.passes; at++) {
      const ms = Number(times[2 * at + 1]! - times[2 * at]!) / 1e6;
      milliseconds[at] = ms > 0 && ms <= withinMs + ROUNDING_MS ? ms : 0;
    }
    return milliseconds;
  }

  /** Steps in which the times come, ms, where those are large: browsers round them. Undefined where they are not. */
  stepMs(bytes: ArrayBuffer, offset: number): number | undefined {
    let step = 0n;
    for (let time of new BigUint64Array(bytes, offset, 2 * this.passes)) {
      while (time > 0n) [step, time] = [time, step % time];
      if (step > 0n && step < LARGE_STEP) return undefined;
    }
    return step > 0n ? Number(step) / 1e6 : undefined;
  }

  destroy(): void {
    this.resolved.destroy();
  }
}

const bytesOf = (passes: number) => 2 * passes * QUERY_BYTES;
