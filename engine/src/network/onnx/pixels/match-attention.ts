import {
  type HeadChannels,
  type PixelAttention,
  type PixelWeighting,
  type PixelWindows,
  pixelAttentionProblem,
} from '../../pixel-attention.js';
import type { Budget } from '../budget.js';
import { type Added, withAdded } from './added-products.js';
import { type Digit, type Dimension, isRolled, type PixelView, sameDimension } from './pixel-view.js';

/** What an attention's matrices are of; keys are turned, their channels before the pixels. */
export interface AttendedViews {
  readonly query?: PixelView;
  readonly key: PixelView;
  readonly value: PixelView;
}

/** An attention over pixels, and what its output is to the graph: a view of a map that has no name yet. */
export interface MatchedAttention {
  readonly attention: PixelAttention;
  readonly output: Omit<PixelView, 'map'>;
}

/** How pixels weigh each other, but for where they lie. */
export interface Weighing {
  readonly by: PixelWeighting;
  readonly scale: number;
  readonly epsilon: number;
}

/**
 * The attention that matrices of pixels make: queries `[…, pixels, channels]`, keys `[…, channels, pixels]` and values
 * `[…, pixels, channels]`, or of a context keys `[…, pixels]` and values `[…, pixels]`, the rest of whose extents are heads,
 * channels, and places in patches.
 * @param added to the products
 * @returns undefined where it is none that a node computes
 */
export function matchAttention(
  { query, key, value }: AttendedViews,
  weighing: Weighing,
  added: readonly Added[],
  budget: Budget,
): MatchedAttention | undefined {
  const matcher = new Matcher(value);
  const rank = value.dimensions.length;
  if (key.dimensions.length !== rank || (query && query.dimensions.length !== rank)) return undefined;
  const outer = query ? rank - 2 : rank - 1;
  const [queries, keys, values] = [query, key, value].map((view) => view?.dimensions) as [
    readonly Dimension[] | undefined,
    readonly Dimension[],
    readonly Dimension[],
  ];
  const fits = values
    .slice(0, outer)
    .every((dimension, axis) => matcher.shared(axis, queries?.[axis], keys[axis]!, dimension));
  const [seenByKeys, seenByValues] = query
    ? [keys[rank - 1]!, values[rank - 2]!]
    : [keys[rank - 1]!, values[rank - 1]!];
  const inner =
    !query ||
    (matcher.inHead(keys[rank - 2]!, 'depth', queries![rank - 1]!) &&
      matcher.inHead(values[rank - 1]!, 'width'));
  if (!fits || !inner || !sameDimension(seenByKeys, seenByValues)) return undefined;
  const { heads, depth, width, patch } = matcher;
  // A map that is one window is cut nowhere.
  const all = isRolled(value) && patch.join() === '1,1' ? windowOf(value) : undefined;
  const windows = matcher.windows ?? all;
  if (!matcher.seesAll(seenByKeys, key) || (query && !matcher.seesAll(queries![rank - 2]!, query)))
    return undefined;
  // Windows may be shifted; other pixels stand where the map has them.
  const alike = [query ?? key, key, value].every(({ roll }) => roll.join() === value.roll.join());
  if (!alike || (isRolled(value) && !windows)) return undefined;
  const read = (view: PixelView, step: number): HeadChannels => ({ first: view.first, step });
  const plain: PixelAttention = {
    ...{ ...weighing, heads, depth, width, patch },
    ...(windows ? { windows } : {}),
    ...(query ? { query: read(query, matcher.steps.query) } : {}),
    key: read(key, matcher.steps.key),
    value: read(value, matcher.steps.value),
  };
  const shape = ({ extents: [C, H, W] }: PixelView) => [1, H, W, C] as const;
  const shapes = { query: query && shape(query), key: shape(key), value: shape(value) };
  if (pixelAttentionProblem(plain, shapes)) return undefined;
  const attention = query ? withAdded(plain, { query, key }, added, budget) : plain;
  if (!attention || pixelAttentionProblem(attention, shapes)) return undefined;
  const seen = query ?? value;
  const written = seen.dimensions.map((dimension, axis) => {
    if (query && axis === rank - 1) return values[rank - 1]!;
    // Heads lie one behind the other.
    return axis === matcher.headsAxis ? dimension.map((digit) => ({ ...digit, step: width })) : dimension;
  });
  const [, H, W] = seen.extents;
  return {
    attention,
    output: {
      ...{ extents: [heads * width, H, W], first: 0, dimensions: written, roll: seen.roll },
      ...{ scale: 1, positive: false, one: false },
    },
  };
}

const windowOf = ({ extents: [, H, W], roll }: PixelView, height = H, width = W): PixelWindows => ({
  ...{ extent: [height, width], shift: roll },
  apart: 0,
});

/** Finds out what the extents of matrices are. */
class Matcher {
  heads = 1;
  depth = 1;
  width = 1;
  readonly patch: [number, number] = [1, 1];
  /** Rows and columns of windows, where it has such. */
  readonly #windows: [number | undefined, number | undefined] = [undefined, undefined];
  readonly steps = { query: 0, key: 0, value: 0 };
  /** The extent that runs through heads. */
  headsAxis: number | undefined;

  /** @param map the view of values */
  constructor(private readonly map: PixelView) {}

  /** The windows that pixels see each other in; those of an extent that is not cut are as large as the map. */
  get windows(): PixelWindows | undefined {
    const [height, width] = this.#windows;
    if (height === undefined && width === undefined) return undefined;
    return windowOf(this.map, height, width);
  }

  /** An extent that all matrices have: heads, places in patches, or, of a context, the channels of the values alone. */
  shared(axis: number, query: Dimension | undefined, key: Dimension, value: Dimension): boolean {
    if (!query && key.length === 0 && value.length === 1 && value[0]!.of === 'C' && value[0]!.step === 1) {
      return this.inHead(value, 'width');
    }
    const ofHeads = [query ?? value, value].some(([digit]) => digit?.of === 'C');
    if (ofHeads) return this.#heads(axis, query, key, value);
    return (
      (!query || sameDimension(query, value)) &&
      sameDimension(key, value) &&
      value.every((digit) => this.#place(digit))
    );
  }

  /** An extent of channels in a head. */
  inHead(dimension: Dimension, is: 'depth' | 'width', other = dimension): boolean {
    const [digit] = dimension;
    if (!sameDimension(dimension, other) || dimension.length > 1) return false;
    if (digit && (digit.of !== 'C' || digit.step !== 1)) return false;
    if (this[is] !== 1) return false;
    this[is] = digit?.extent ?? 1;
    return true;
  }

  /** Whether pixels are all those at one place of a map's patches. */
  seesAll(pixels: Dimension, { extents: [, H, W] }: PixelView): boolean {
    const seen = pixels.reduce((product, { extent }) => product * extent, 1);
    const { windows } = this;
    if (windows) {
      const most = { H: windows.extent[0], W: windows.extent[1], C: 0 };
      return pixels.every(({ of, step, extent }) => step * extent <= most[of]) && seen === most.H * most.W;
    }
    const [height, width] = this.patch;
    const steps = { H: height, W: width, C: 0 };
    return (
      pixels.every(({ of, step }) => of !== 'C' && step % steps[of] === 0) &&
      new Set(pixels.map(({ of, step }) => `${of}${step}`)).size === pixels.length &&
      seen * height * width === H * W
    );
  }

  #heads(axis: number, query: Dimension | undefined, key: Dimension, value: Dimension): boolean {
    if (this.headsAxis !== undefined) return false;
    this.headsAxis = axis;
    for (const [name, dimension] of Object.entries({ query, key, value })) {
      if (!dimension) continue;
      const [digit] = dimension;
      // Keys and values without heads are those of all.
      if (dimension.length === 0 && name !== 'query') continue;
      if (dimension.length !== 1 || digit?.of !== 'C') return false;
      if (this.heads !== 1 && digit.extent !== this.heads) return false;
      this.heads = digit.extent;
      this.steps[name as 'query' | 'key' | 'value'] = digit.step;
    }
    return true;
  }

  #place({ of, step, extent }: Digit): boolean {
    if (of === 'C') return false;
    const axis = of === 'H' ? 0 : 1;
    if (this.patch[axis] !== 1 || this.#windows[axis] !== undefined) return false;
    if (step === 1) this.patch[axis] = extent;
    else if (step * extent === this.map.extents[1 + axis]) this.#windows[axis] = step;
    else return false;
    return true;
  }
}
