import type { RegionReference } from './program-builder.js';

/**
 * A share of an instruction's FLOPs and bytes, in proportion to something that is known once the program has
 * run:
 * - `once`: always
 * - `pixels`: for each pixel of the region
 * - `any`: if the region has a pixel
 * - `any-other`: if a pixel lies outside the region
 */
export type Term =
  | { readonly per: 'once'; readonly flops: number; readonly bytes: number }
  | {
      readonly per: 'pixels' | 'any' | 'any-other';
      readonly region: RegionReference;
      readonly flops: number;
      readonly bytes: number;
    };

/** FLOPs and bytes of an instruction, as a sum. */
export type Work = readonly Term[];

export const noWork: Work = [];

/** Work that is the same whatever the masks say. */
export function fixedWork(flops: number, bytes: number): Work {
  return [{ per: 'once', flops, bytes }];
}

/** Work in proportion to the pixels of a region, or to `count` pixels where there is none. */
export function pixelWork(
  region: RegionReference | undefined,
  count: number,
  flops: number,
  bytes: number,
): Work {
  return region
    ? [{ per: 'pixels', region, flops, bytes }]
    : [{ per: 'once', flops: flops * count, bytes: bytes * count }];
}

/**
 * Adds up FLOPs and bytes of many instructions by the pass that each belongs to: terms as flat arrays, so that
 * a program's thousand terms take some microseconds a run.
 */
export class WorkSums {
  readonly flops: Float64Array;
  readonly bytes: Float64Array;
  readonly #pass: Int32Array;
  readonly #known: Int32Array;
  readonly #flopsOf: Float64Array;
  readonly #bytesOf: Float64Array;
  /** `[1, pixels…, any…, any other…]`, by region. */
  readonly #amounts: Float64Array;
  readonly #wholes: Float64Array;

  /**
   * @param works of every instruction
   * @param passOf the pass that each instruction belongs to
   * @param regions by id
   */
  constructor(
    works: readonly Work[],
    passOf: ArrayLike<number>,
    passes: number,
    regions: readonly RegionReference[],
  ) {
    const R = regions.length;
    this.flops = new Float64Array(passes);
    this.bytes = new Float64Array(passes);
    this.#amounts = new Float64Array(1 + 3 * R);
    this.#amounts[0] = 1;
    this.#wholes = Float64Array.from(regions, ({ pixels }) => pixels);
    const terms = works.flatMap((work, i) => work.map((term) => ({ pass: passOf[i]!, term })));
    const first = { once: 0, pixels: 1, any: 1 + R, 'any-other': 1 + 2 * R } as const;
    this.#pass = Int32Array.from(terms, ({ pass }) => pass);
    this.#known = Int32Array.from(
      terms,
      ({ term }) => first[term.per] + (term.per === 'once' ? 0 : term.region.id),
    );
    this.#flopsOf = Float64Array.from(terms, ({ term }) => term.flops);
    this.#bytesOf = Float64Array.from(terms, ({ term }) => term.bytes);
  }

  /** Fills `flops` and `bytes`, given the pixels of each region. */
  update(counts: Float64Array): void {
    const amounts = this.#amounts;
    const R = this.#wholes.length;
    for (let i = 0; i < R; i++) {
      const count = counts[i]!;
      amounts[1 + i] = count;
      amounts[1 + R + i] = count > 0 ? 1 : 0;
      amounts[1 + 2 * R + i] = count < this.#wholes[i]! ? 1 : 0;
    }
    this.flops.fill(0);
    this.bytes.fill(0);
    for (let i = 0; i < this.#pass.length; i++) {
      const pass = this.#pass[i]!;
      const amount = amounts[this.#known[i]!]!;
      this.flops[pass]! += amount * this.#flopsOf[i]!;
      this.bytes[pass]! += amount * this.#bytesOf[i]!;
    }
  }
}
