import { expectArgument } from './arguments/expect.js';
import { anInteger } from './arguments/kinds.js';

/**
 * A small seeded generator (PCG32 by M. O'Neill, 2014, in its 32-bit-output form): the same seed gives the same
 * numbers on every machine.
 *
 * @example
 * ```ts
 * import { Random } from '@fovea/engine';
 *
 * const random = new Random(1);
 * console.log(random.next(), random.below(10), random.normal());
 * ```
 */
export class Random {
  // 64 bits each, as two signed halves: the generator is asked for every cell of a random mask, and BigInt
  // arithmetic takes fifty times as long.
  #high: number;
  #low: number;
  readonly #incrementHigh: number;
  readonly #incrementLow: number;

  /**
   * @param seed any integer; `stream` picks one of many independent sequences for it.
   * @throws FoveaError `bad-argument` for what is no finite number
   */
  constructor(seed: number, stream = 0) {
    for (const given of [seed, stream]) {
      expectArgument(given, anInteger, 'seed');
    }
    const increment = halves((BigInt(Math.trunc(stream)) << 1n) | 1n);
    this.#incrementHigh = increment.high;
    this.#incrementLow = increment.low;
    // The first step from a state of 0 leaves the increment; the seed is added to it.
    const start = halves(((BigInt(Math.trunc(stream)) << 1n) | 1n) + BigInt(Math.trunc(seed)));
    this.#high = start.high;
    this.#low = start.low;
    this.nextUint32();
  }

  /** An integer from 0 to 2³² − 1. */
  nextUint32(): number {
    const high = this.#high;
    const low = this.#low;
    // state · 6364136223846793005 + increment, modulo 2⁶⁴, in 16-bit steps where a product needs them.
    const low0 = low & 0xffff;
    const low1 = low >>> 16;
    const product0 = low0 * 0x7f2d;
    const middle = low1 * 0x7f2d + low0 * 0x4c95 + (product0 >>> 16);
    const productLow = ((middle & 0xffff) << 16) | (product0 & 0xffff);
    const carried = low1 * 0x4c95 + Math.floor(middle / 65536);
    const sumLow = (productLow >>> 0) + (this.#incrementLow >>> 0);
    const carry = sumLow > 0xffffffff ? 1 : 0;
    this.#low = sumLow | 0;
    this.#high =
      (carried + carry + Math.imul(high, 0x4c957f2d) + Math.imul(low, 0x5851f42d) + this.#incrementHigh) | 0;
    const mixedHigh = (high >>> 18) ^ high;
    const mixedLow = ((high << 14) | (low >>> 18)) ^ low;
    const shifted = (mixedHigh << 5) | (mixedLow >>> 27);
    const rotation = high >>> 27;
    return ((shifted >>> rotation) | (shifted << (-rotation & 31))) >>> 0;
  }

  /** A number in [0, 1). */
  next(): number {
    return this.nextUint32() / 4294967296;
  }

  /** An integer from 0 to `bound` − 1. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** A normally distributed number of mean 0 and deviation 1 (Box and Muller, 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  /** Puts `items` into a random order, in place (Fisher and Yates). */
  shuffle<T extends { length: number; [index: number]: number }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = Math.floor((this.nextUint32() / 4294967296) * (i + 1));
      const kept = items[i]!;
      items[i] = items[j]!;
      items[j] = kept;
    }
    return items;
  }
}

/** The lowest 64 bits of an integer as two signed 32-bit halves. */
function halves(value: bigint): { readonly high: number; readonly low: number } {
  return { high: Number(BigInt.asIntN(32, value >> 32n)), low: Number(BigInt.asIntN(32, value)) };
}
