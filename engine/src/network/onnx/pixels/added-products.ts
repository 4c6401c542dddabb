import { apartValues, attendedPixels } from '../../attended-pixels.js';
import {
  attendedPlaces,
  biasCount,
  type Extents,
  type PixelAttention,
  type PixelBias,
  type PixelWindows,
  seenPixels,
} from '../../pixel-attention.js';
import type { Budget } from '../budget.js';
import type { TensorProto } from '../generated/onnx_pb.js';
import { float32Values } from '../tensor.js';
import { count, type Dimension, type PixelView } from './pixel-view.js';

/** A constant that is added to the products of queries and keys. */
export interface Added {
  readonly values: TensorProto;
  /** Its extents, as many as the products have: 1 where it is the same all along. */
  readonly dims: readonly number[];
  /** What the products' extents are of, but for the last two. */
  readonly outer: readonly Dimension[];
}

/** Views of queries and keys whose products something is added to. */
export interface AskedViews {
  readonly query: PixelView;
  readonly key: PixelView;
}

/** Where a pixel of a view stands, and the channel where its head begins. */
type Position = Readonly<Record<'C' | 'H' | 'W', number>>;

/** The place along an extent of what stands at a position. */
function along(dimension: Dimension, position: Position): number {
  return dimension.reduce(
    (place, { of, step, extent }) => place * extent + (Math.floor(position[of] / step) % extent),
    0,
  );
}

const extentsOf = ({ extents: [C, H, W] }: PixelView): Extents => [1, H, W, C];

/**
 * What constants are to an attention whose products they are added to: a bias of positions, and what tells the edges of
 * shifted windows apart.
 * @param attention without either
 * @returns the attention with both; undefined where they are something else
 */
export function withAdded(
  attention: PixelAttention,
  views: AskedViews,
  added: readonly Added[],
  budget: Budget,
): PixelAttention | undefined {
  let bias: PixelBias | undefined;
  let windows = attention.windows;
  for (const constant of added) {
    const reader = new AddedReader(attention, views, constant, budget);
    if (!reader.fits) return undefined;
    const separated = reader.edges();
    if (separated) windows = { ...separated, apart: separated.apart + (windows?.apart ?? 0) };
    else if (reader.byPlace) return undefined;
    else {
      const values = reader.positions();
      if (!values.every(Number.isFinite)) return undefined;
      if (bias) for (let i = 0; i < values.length; i++) values[i]! += bias.values[i]!;
      bias = { queries: reader.queries, keys: reader.keys, values };
    }
  }
  return { ...attention, ...(windows ? { windows } : {}), ...(bias ? { bias } : {}) };
}

/** Reads a constant in the order in which the engine has heads, places and pixels. */
class AddedReader {
  readonly queries: number;
  readonly keys: number;
  readonly #data: Float32Array;
  readonly #strides: readonly number[];

  constructor(
    private readonly attention: PixelAttention,
    private readonly views: AskedViews,
    private readonly added: Added,
    private readonly budget: Budget,
  ) {
    const { dims, values } = added;
    this.queries = seenPixels(attention, extentsOf(views.query));
    this.keys = seenPixels(attention, extentsOf(views.key));
    this.#data = float32Values(values);
    const after = (axis: number) => dims.slice(axis + 1).reduce((product, extent) => product * extent, 1);
    this.#strides = dims.map((extent, axis) => (extent > 1 ? after(axis) : 0));
  }

  /** Whether the constant has the products' extents where it has any. */
  get fits(): boolean {
    const { query, key } = this.views;
    const all = [...this.added.outer, query.dimensions.at(-2)!, key.dimensions.at(-1)!];
    return (
      all.length === this.added.dims.length &&
      all.every((dimension, axis) => [1, count(dimension)].includes(this.added.dims[axis]!))
    );
  }

  get #byHead(): boolean {
    return this.#varies(({ of }) => of === 'C');
  }

  get byPlace(): boolean {
    return this.#varies(({ of }) => of !== 'C');
  }

  #varies(along: (digit: Dimension[number]) => boolean): boolean {
    return this.added.outer.some((dimension, axis) => this.added.dims[axis]! > 1 && dimension.some(along));
  }

  /** Values of all heads, `[heads, queries, keys]`. */
  positions(): Float32Array {
    const { heads } = this.attention;
    const { queries, keys } = this;
    const all = new Float32Array(this.#spent(biasCount(this.attention, { queries, keys })));
    for (let head = 0; head < heads; head++) all.set(this.#table(0, head), head * queries * keys);
    return all;
  }

  /** Shifted windows whose edges the constant tells apart; undefined where it is something else. */
  edges(): PixelWindows | undefined {
    const { windows } = this.attention;
    if (!windows?.shift.some((pixels) => pixels > 0) || this.#byHead) return undefined;
    const map = extentsOf(this.views.query);
    const places = attendedPlaces(this.attention, map);
    const each = this.queries * this.keys;
    const found = new Float32Array(this.#spent(places * each));
    for (let place = 0; place < places; place++) found.set(this.#table(place, 0), place * each);
    const apart = found.find((value) => value !== 0) ?? 0;
    if (!Number.isFinite(apart)) return undefined;
    const separated = { ...windows, apart };
    const wanted = apartValues({ ...this.attention, windows: separated }, map);
    return found.every((value, i) => value === (wanted?.[i] ?? 0)) ? separated : undefined;
  }

  #spent(values: number): number {
    this.budget.spend(4 * values);
    return values;
  }

  /** What is added in one place and head, `[queries, keys]`. */
  #table(place: number, head: number): Float32Array {
    const { query, key } = this.views;
    const { outer } = this.added;
    const { windows } = this.attention;
    // As the views have them, windows begin with the first pixel.
    const unshifted = windows
      ? { ...this.attention, windows: { ...windows, shift: [0, 0] as const } }
      : this.attention;
    const pixels = (view: PixelView) => attendedPixels(unshifted, extentsOf(view), place);
    const channel = head * (this.attention.query?.step ?? 0);
    const offsets = (view: PixelView, dimension: Dimension, axis: number) =>
      pixels(view).map(({ y, x }) => along(dimension, { C: 0, H: y, W: x }) * this.#strides[axis]!);
    const rows = offsets(query, query.dimensions.at(-2)!, outer.length);
    const columns = offsets(key, key.dimensions.at(-1)!, outer.length + 1);
    const { y, x } = pixels(query)[0]!;
    const first = outer.reduce(
      (sum, dimension, axis) => sum + along(dimension, { C: channel, H: y, W: x }) * this.#strides[axis]!,
      0,
    );
    const table = new Float32Array(rows.length * columns.length);
    rows.forEach((row, i) => {
      columns.forEach((column, j) => {
        table[i * columns.length + j] = this.#data[first + row + column]!;
      });
    });
    return table;
  }
}
