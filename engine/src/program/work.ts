import { decisionFlops } from '../mask/rule.js';
import { convolutionFlops } from '../network/flops.js';
import { valueCount } from './buffers.js';
import { haloOf, packedRegion } from './layout.js';
import type { Operation, ProgramMap, ProgramRegion } from './program.js';

/**
 * A share of an operation's FLOPs and bytes, in proportion to something that is known once the program has
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
      readonly region: ProgramRegion;
      readonly flops: number;
      readonly bytes: number;
    };

/** FLOPs and bytes of an operation, as a sum. */
export type Work = readonly Term[];

/** Bytes of a float32 value. */
const F32 = 4;

/** Work that is the same whatever the masks say. */
function fixedWork(flops: number, bytes: number): Term {
  return { per: 'once', flops, bytes };
}

/** Work in proportion to the pixels of a region, or to `count` pixels where there is none. */
function pixelWork(region: ProgramRegion | undefined, count: number, flops: number, bytes: number): Term {
  return region
    ? { per: 'pixels', region, flops, bytes }
    : { per: 'once', flops: flops * count, bytes: bytes * count };
}

const pixelCount = ({ shape: [N, H, W] }: ProgramMap) => N * H * W;

/**
 * The FLOPs of an operation, a multiply-add counted as two, and the bytes that it must at least move: every row
 * that it reads or writes once, weights once. What backends do beyond that is not counted, so that the same
 * program counts the same everywhere.
 */
export function workOf(operation: Operation): Work {
  switch (operation.kind) {
    case 'convolve':
      return convolutionWork(operation);
    case 'max-pool':
    case 'average-pool':
    case 'global-pool':
      return [
        fixedWork(0, F32 * (valueCount(operation.source.shape) + valueCount(operation.destination.shape))),
      ];
    case 'add':
      return [fixedWork(0, F32 * valueCount(operation.destination.shape) * (operation.b ? 3 : 2))];
    case 'grid-pool': {
      const { source, pooled, changed } = operation;
      return [
        pixelWork(changed?.region, pixelCount(source), 0, F32 * source.shape[3]),
        fixedWork(0, F32 * valueCount(pooled.shape)),
      ];
    }
    case 'decide': {
      const [N, rows, columns, C] = operation.pooled.shape;
      const cells = N * rows * columns;
      return [fixedWork(decisionFlops(cells, C), F32 * cells * C)];
    }
    case 'ask':
      return [];
    case 'foreign': {
      const { inputs, output } = operation;
      const values = [...inputs, ...(output ? [output] : [])].map(({ shape }) => valueCount(shape));
      return [fixedWork(0, F32 * values.reduce((sum, count) => sum + count, 0))];
    }
    case 'index': {
      const { batch, height, width } = operation.mask;
      return [fixedWork(0, batch * height * width)];
    }
    case 'gather': {
      const { destination } = operation;
      const { region } = haloOf(destination);
      return [pixelWork(region, region.pixels, 0, (2 * F32 * valueCount(destination.shape)) / region.pixels)];
    }
    case 'scatter': {
      const { source, destination } = operation;
      const region = packedRegion(source);
      return [
        fixedWork(0, F32 * valueCount(destination.shape)),
        pixelWork(region, region.pixels, 0, F32 * source.shape[3]),
      ];
    }
    case 'scatter-add': {
      const { region, source } = operation;
      return [pixelWork(region, region.pixels, 0, 3 * F32 * source.shape[3])];
    }
    case 'activate-others': {
      const { map, region } = operation;
      const bytes = 2 * F32 * map.shape[3];
      return [fixedWork(0, bytes * region.pixels), pixelWork(region, region.pixels, 0, -bytes)];
    }
    case 'excite': {
      const { map, reduce, expand, pooledOver, scaled } = operation;
      const [N, , , C] = map.shape;
      const pixels = pixelCount(map);
      return [
        fixedWork(
          convolutionFlops(reduce, N) + convolutionFlops(expand, N),
          F32 * (reduce.weight.length + expand.weight.length),
        ),
        pixelWork(pooledOver, pixels, 0, F32 * C),
        pixelWork(scaled, pixels, 0, 2 * F32 * C),
      ];
    }
  }
}

/** Every pixel's FLOPs and rows, and the weights once if there is any pixel. */
function convolutionWork({
  convolution,
  destination,
  region,
  others,
  residual,
}: Extract<Operation, { kind: 'convolve' }>): Work {
  const { inChannels, outChannels, weight } = convolution;
  const flops = convolutionFlops(convolution, 1);
  const bytes = F32 * (inChannels + outChannels * (residual ? 2 : 1));
  const weights = { flops: 0, bytes: F32 * weight.length };
  if (!region) {
    const pixels = pixelCount(destination);
    return [fixedWork(flops * pixels, bytes * pixels), { per: 'once', ...weights }];
  }
  if (!others) return [pixelWork(region, region.pixels, flops, bytes), { per: 'any', region, ...weights }];
  return [
    fixedWork(flops * region.pixels, bytes * region.pixels),
    pixelWork(region, region.pixels, -flops, -bytes),
    { per: 'any-other', region, ...weights },
  ];
}

/**
 * Adds up FLOPs and bytes of many operations by the pass that each belongs to: terms as flat arrays, so that
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
    regions: readonly ProgramRegion[],
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
