/** How many normal quantiles the generator draws from: enough that no two layers look alike. */
const QUANTILES = 1 << 14;

/**
 * A seeded source of weights: same seed, same values, on every machine. Values come from a table of normal
 * quantiles picked by an xorshift generator, which fills the 45 million weights of a ResNet-101 in a
 * fraction of a second.
 */
export class RandomWeights {
  private state: number;
  private readonly quantiles = new Float32Array(QUANTILES);

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
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }

  /** `length` values, normally distributed around 0 with this standard deviation. */
  normal(length: number, deviation: number): Float32Array {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++)
      values[i] = deviation * (this.quantiles[this.next() & (QUANTILES - 1)] as number);
    return values;
  }
}
