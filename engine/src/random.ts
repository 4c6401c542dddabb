/**
 * A small seeded generator (PCG32 by M. O'Neill, 2014, in its 32-bit-output form): the same seed gives the same
 * numbers on every machine.
 */
export class Random {
  #state: bigint;
  readonly #increment: bigint;

  /** @param seed any integer; `stream` picks one of many independent sequences for it. */
  constructor(seed: number, stream = 0) {
    this.#increment = ((BigInt(Math.trunc(stream)) << 1n) | 1n) & 0xffffffffffffffffn;
    this.#state = 0n;
    this.nextUint32();
    this.#state = (this.#state + BigInt(Math.trunc(seed))) & 0xffffffffffffffffn;
    this.nextUint32();
  }

  /** An integer from 0 to 2³² − 1. */
  nextUint32(): number {
    const old = this.#state;
    this.#state = (old * 6364136223846793005n + this.#increment) & 0xffffffffffffffffn;
    const shifted = Number(((old >> 18n) ^ old) >> 27n) >>> 0;
    const rotation = Number(old >> 59n);
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
      const j = this.below(i + 1);
      const kept = items[i]!;
      items[i] = items[j]!;
      items[j] = kept;
    }
    return items;
  }
}
