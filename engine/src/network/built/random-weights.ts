/** How many normal quantiles the generator draws from: enough that no two layers look alike. */
const QUANTILES = 1 << 14;

/**
 * A seeded source of weights: same seed, same values, on every machine. Values come from a table of normal
 * quantiles picked by an xorshift generator, which fills the 45 million weights of a ResNet-101 in half a
 * second; what is only predicted never needs them.
 */
export class RandomWeights {
  private state: number;
  private readonly quantiles = new Float32Array(QUANTILES);
  /** What 2ᵏ steps make of each bit of a state, by k: a step is linear over bits. */
  private readonly powers = [Uint32Array.from({ length: 32 }, (_, bit) => stepped((1 << bit) >>> 0))];

  /** @param seed any integer */
  constructor(seed: number) {
    this.state = (Math.imul(seed | 0, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
    for (let i = 0; i < QUANTILES; i += 2) {
      const radius = Math.sqrt(-2 * Math.log((this.next() + 1) / 4294967297));
      const angle = (2 * Math.PI * this.next()) / 4294967296;
      this.quantiles[i] = radius * Math.cos(angle);
      this.quantiles[i + 1] = radius * Math.sin(angle);
    }
  }

  /** An integer of 0 … 2³² − 1. */
  next(): number {
    this.state = stepped(this.state);
    return this.state;
  }

  /** `length` values, normally distributed around 0 with this standard deviation. */
  normal(length: number, deviation: number): Float32Array {
    return this.normalLater(length, deviation)();
  }

  /** What `normal` answers, made when it is first asked for; the same array every time. */
  normalLater(length: number, deviation: number): () => Float32Array {
    const { quantiles, state: start } = this;
    this.skip(length);
    let values: Float32Array | undefined;
    return () => {
      if (values) return values;
      values = new Float32Array(length);
      let state = start;
      for (let i = 0; i < length; i++) {
        state = stepped(state);
        values[i] = deviation * quantiles[state & (QUANTILES - 1)]!;
      }
      return values;
    };
  }

  /** Goes on as if `next` had been called `count` times, fewer than 2³¹. */
  private skip(count: number): void {
    for (let k = 0; count >>> k > 0; k++) {
      const power = this.powers[k]!;
      if ((count >>> k) & 1) this.state = linear(power, this.state);
      this.powers[k + 1] ??= power.map((image) => linear(power, image));
    }
  }
}

/** The state of the generator (xorshift by G. Marsaglia, 2003) after this one. */
function stepped(state: number): number {
  let x = state;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x >>> 0;
}

/** What a linear map of bits makes of a state, from what it makes of each bit. */
function linear(images: Uint32Array, state: number): number {
  let sum = 0;
  for (let bit = 0; bit < 32; bit++) if ((state >>> bit) & 1) sum ^= images[bit]!;
  return sum >>> 0;
}
