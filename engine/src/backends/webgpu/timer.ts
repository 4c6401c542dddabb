import { type Device, usage } from './device.js';

/** Queries that one set may hold. */
const SET_QUERIES = 4096;
const QUERY_BYTES = 8;

/** Times of compute passes, taken by the GPU itself. */
export class PassTimer {
  readonly bytes: number;
  readonly #sets: readonly GPUQuerySet[];
  readonly #resolved: GPUBuffer;
  readonly #descriptors: readonly GPUComputePassDescriptor[];

  constructor(
    device: Device,
    /** How many compute passes. */
    readonly passes: number,
  ) {
    const counts: number[] = [];
    for (let left = 2 * passes; left > 0; left -= SET_QUERIES) counts.push(Math.min(left, SET_QUERIES));
    this.#sets = counts.map((count) => device.gpu.createQuerySet({ type: 'timestamp', count }));
    this.bytes = 2 * passes * QUERY_BYTES;
    this.#resolved = device.buffer('times', this.bytes, usage.queryResolve | usage.copySource);
    this.#descriptors = Array.from({ length: passes }, (_, at): GPUComputePassDescriptor => {
      const first = (2 * at) % SET_QUERIES;
      return {
        timestampWrites: {
          querySet: this.#sets[Math.floor((2 * at) / SET_QUERIES)]!,
          beginningOfPassWriteIndex: first,
          endOfPassWriteIndex: first + 1,
        },
      };
    });
  }

  /** Of pass `at`, so that it is timed. */
  descriptor(at: number): GPUComputePassDescriptor {
    return this.#descriptors[at]!;
  }

  /** Encodes the copy of all times to a buffer. */
  encodeRead(encoder: GPUCommandEncoder, destination: GPUBuffer, offset: number): void {
    this.#sets.forEach((set, i) => {
      const first = i * SET_QUERIES;
      const count = Math.min(SET_QUERIES, 2 * this.passes - first);
      encoder.resolveQuerySet(set, 0, count, this.#resolved, first * QUERY_BYTES);
    });
    encoder.copyBufferToBuffer(this.#resolved, 0, destination, offset, this.bytes);
  }

  /** Milliseconds of each pass; those of an earlier run for one that was not encoded since. */
  read(bytes: ArrayBuffer, offset: number): Float64Array {
    const times = new BigUint64Array(bytes, offset, 2 * this.passes);
    const milliseconds = new Float64Array(this.passes);
    for (let at = 0; at < this.passes; at++) {
      const nanoseconds = times[2 * at + 1]! - times[2 * at]!;
      milliseconds[at] = nanoseconds > 0n ? Number(nanoseconds) / 1e6 : 0;
    }
    return milliseconds;
  }

  destroy(): void {
    for (const set of this.#sets) set.destroy();
    this.#resolved.destroy();
  }
}
