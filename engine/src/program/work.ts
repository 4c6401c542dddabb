import { decisionFlops } from '../mask/rule.js';
import { attentionLayers } from '../network/attention.js';
import { attentionFlops, convolutionFlops, weightCount } from '../network/flops.js';
import { biasCount, pixelAttentionFlops } from '../network/pixel-attention.js';
import { valueCount } from './buffers.js';
import { dtypeBytes } from './dtype.js';
import { haloOf, packedRegion } from './layout.js';
import type { Convolve, Excite, Operation, ProgramMap, ProgramRegion } from './program.js';

/**
 * A share of an operation's FLOPs and bytes, in proportion to something that is known once the program has
 * run:
 * - `once`: always
 * - `pixels`: for each pixel of the region
 * - `any`: if the region has a pixel
 * - `any-other`: if a pixel lies outside the region
 */
export type Term = Share &
  (
    | { readonly per: 'once' }
    | { readonly per: 'pixels' | 'any' | 'any-other'; readonly region: ProgramRegion }
  );

interface Share {
  readonly flops: number;
  readonly bytes: number;
  /** Whose bytes they are: a map's, or weights; left out for FLOPs, and for bytes of neither. */
  readonly of?: ProgramMap | 'weights';
}

/** FLOPs and bytes of an operation, as a sum. */
export type Work = readonly Term[];

/** FLOPs in proportion to the pixels of a region, or to `count` pixels where there is none. */
function arithmetic(region: ProgramRegion | undefined, count: number, flops: number): Term {
  return region
    ? { per: 'pixels', region, flops, bytes: 0 }
    : { per: 'once', flops: flops * count, bytes: 0 };
}

/** Bytes of a map, whatever the masks say. */
function traffic(of: ProgramMap, bytes: number): Term {
  return { per: 'once', flops: 0, bytes, of };
}

/** `times` rows of a map for each pixel of a region, or of `count` pixels where there is none. */
function rows(of: ProgramMap, region: ProgramRegion | undefined, count: number, times = 1): Term {
  const bytes = times * dtypeBytes[of.dtype] * of.shape[3];
  return region ? { per: 'pixels', region, flops: 0, bytes, of } : traffic(of, bytes * count);
}

/** Bytes of `count` weights that a map's values are multiplied with. */
function weights(source: ProgramMap, count: number): Term {
  return { per: 'once', flops: 0, bytes: dtypeBytes[source.dtype] * count, of: 'weights' };
}

const whole = (map: ProgramMap) => traffic(map, dtypeBytes[map.dtype] * valueCount(map.shape));
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
    case 'resize':
    case 'normalise-map':
      return [whole(operation.source), whole(operation.destination)];
    case 'pixel-attention': {
      const { attention, query, key, value, destination } = operation;
      const flops = pixelAttentionFlops(attention, {
        query: query?.shape,
        key: key.shape,
        value: value.shape,
      });
      const { heads, depth, width } = attention;
      // Of one map queries, keys and values may be different channels: only those are moved.
      const moved = (map: ProgramMap, channels: number) =>
        traffic(map, dtypeBytes[map.dtype] * heads * channels * pixelCount(map));
      return [
        arithmetic(undefined, 1, flops),
        ...(query ? [moved(query, depth)] : []),
        moved(key, depth),
        moved(value, width),
        whole(destination),
        ...(attention.bias ? [weights(key, biasCount(attention, attention.bias))] : []),
      ];
    }
    case 'copy-channels': {
      const { source, destination, count } = operation;
      const bytes = dtypeBytes[source.dtype] * count * pixelCount(source);
      return [traffic(source, bytes), traffic(destination, bytes)];
    }
    case 'multiply': {
      const { a, b, destination } = operation;
      return [whole(a), whole(b), whole(destination)];
    }
    case 'add': {
      const { a, b, destination } = operation;
      return [whole(a), ...(b ? [whole(b)] : []), whole(destination)];
    }
    case 'grid-pool': {
      const { source, pooled, changed } = operation;
      return [rows(source, changed?.region, pixelCount(source)), whole(pooled)];
    }
    case 'decide': {
      const { pooled } = operation;
      const [N, height, width, C] = pooled.shape;
      return [arithmetic(undefined, 1, decisionFlops(N * height * width, C)), whole(pooled)];
    }
    case 'ask':
      return [];
    case 'foreign': {
      const { inputs, output } = operation;
      return [...inputs, ...(output ? [output] : [])].map(whole);
    }
    case 'index': {
      const { batch, height, width } = operation.mask;
      return [{ per: 'once', flops: 0, bytes: batch * height * width }];
    }
    case 'gather': {
      const { source, destination } = operation;
      const { region } = haloOf(destination);
      const bytes = (dtypeBytes[destination.dtype] * valueCount(destination.shape)) / region.pixels;
      return [source, destination].map((of) => ({ per: 'pixels', region, flops: 0, bytes, of }));
    }
    case 'scatter': {
      const { source, destination } = operation;
      const region = packedRegion(source);
      return [whole(destination), rows(source, region, region.pixels)];
    }
    case 'scatter-add': {
      const { region, source, shortcut, destination } = operation;
      return [source, shortcut, destination].map((map) => rows(map, region, region.pixels));
    }
    case 'activate-others': {
      const { map, region } = operation;
      return [rows(map, undefined, region.pixels, 2), rows(map, region, region.pixels, -2)];
    }
    case 'excite': {
      return attentionWork(operation);
    }
  }
}

/** Channels are pooled and pixels scaled; for a spatial convolution what was pooled is read again. */
function attentionWork({ map, attention, pooledOver, scaled }: Excite): Work {
  const [N, , , C] = map.shape;
  const pixels = pixelCount(map);
  const { spatial, ...channels } = attention;
  const parameters = attentionLayers(attention).reduce(
    (sum, { convolution }) => sum + weightCount(convolution),
    0,
  );
  return [
    arithmetic(undefined, N, attentionFlops(channels, { channels: C, pixels: 1 })),
    weights(map, parameters),
    rows(map, pooledOver, pixels),
    ...(spatial
      ? [rows(map, pooledOver, pixels), arithmetic(scaled, pixels, convolutionFlops(spatial, 1))]
      : []),
    rows(map, scaled, pixels, 2),
  ];
}

/** Every pixel's FLOPs and rows, and the weights once if there is any pixel. */
function convolutionWork({ convolution, source, destination, region, others, residual }: Convolve): Work {
  const flops = convolutionFlops(convolution, 1);
  const maps = residual ? [source, destination, residual] : [source, destination];
  const parameters = weights(source, weightCount(convolution));
  if (!region) {
    const pixels = pixelCount(destination);
    return [
      arithmetic(undefined, pixels, flops),
      ...maps.map((map) => rows(map, undefined, pixels)),
      parameters,
    ];
  }
  const inside = [
    arithmetic(region, region.pixels, flops),
    ...maps.map((map) => rows(map, region, region.pixels)),
  ];
  if (!others) return [...inside, { ...parameters, per: 'any', region }];
  return [
    arithmetic(undefined, region.pixels, flops),
    ...maps.map((map) => rows(map, undefined, region.pixels)),
    ...inside.map((term) => ({ ...term, flops: -term.flops, bytes: -term.bytes })),
    { ...parameters, per: 'any-other', region },
  ];
}

const kindsOfTerm = ['once', 'pixels', 'any', 'any-other'] as const satisfies readonly Term['per'][];

/** The terms of many works as flat arrays: a program has some thousand. */
export interface TermTable {
  /** Position of the work that each term is part of. */
  readonly work: Int32Array;
  /** Positions in `kindsOfTerm`. */
  readonly kind: Uint8Array;
  /** Ids of regions; 0 for what counts once. */
  readonly region: Int32Array;
  readonly flops: Float64Array;
  readonly bytes: Float64Array;
}

/** Puts works into a table. */
export function termTable(works: readonly Work[]): TermTable {
  let count = 0;
  for (const work of works) count += work.length;
  const table: TermTable = {
    work: new Int32Array(count),
    kind: new Uint8Array(count),
    region: new Int32Array(count),
    flops: new Float64Array(count),
    bytes: new Float64Array(count),
  };
  let at = 0;
  works.forEach((work, position) => {
    for (const term of work) {
      table.work[at] = position;
      table.kind[at] = kindsOfTerm.indexOf(term.per);
      table.region[at] = term.per === 'once' ? 0 : term.region.id;
      table.flops[at] = term.flops;
      table.bytes[at] = term.bytes;
      at++;
    }
  });
  return table;
}

/** A table of terms and where it stands in a whole. */
export interface PlacedTerms {
  readonly terms: TermTable;
  /** The pass of each work. */
  readonly passOf: ArrayLike<number>;
  /** What is added to the ids of regions. */
  readonly firstRegion: number;
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
   * @param parts whose terms are added up in this order
   * @param wholes pixels of each region's map, by id
   */
  constructor(parts: readonly PlacedTerms[], passes: number, wholes: Float64Array) {
    const R = wholes.length;
    this.flops = new Float64Array(passes);
    this.bytes = new Float64Array(passes);
    this.#amounts = new Float64Array(1 + 3 * R);
    this.#amounts[0] = 1;
    this.#wholes = wholes;
    const count = parts.reduce((sum, { terms }) => sum + terms.work.length, 0);
    this.#pass = new Int32Array(count);
    this.#known = new Int32Array(count);
    this.#flopsOf = new Float64Array(count);
    this.#bytesOf = new Float64Array(count);
    let first = 0;
    for (const { terms, passOf, firstRegion } of parts) {
      const { work, kind, region, flops, bytes } = terms;
      for (let i = 0; i < work.length; i++) {
        this.#pass[first + i] = passOf[work[i]!]!;
        this.#known[first + i] = kind[i] === 0 ? 0 : 1 + (kind[i]! - 1) * R + firstRegion + region[i]!;
      }
      this.#flopsOf.set(flops, first);
      this.#bytesOf.set(bytes, first);
      first += work.length;
    }
  }

  /**
   * Sums over a whole program.
   * @param works of every instruction
   * @param passOf the pass that each instruction belongs to
   * @param regions by id
   */
  static of(
    works: readonly Work[],
    passOf: ArrayLike<number>,
    passes: number,
    regions: readonly ProgramRegion[],
  ): WorkSums {
    const wholes = Float64Array.from(regions, ({ pixels }) => pixels);
    return new WorkSums([{ terms: termTable(works), passOf, firstRegion: 0 }], passes, wholes);
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
