import { FoveaError } from '../../errors.js';
import { apartValues } from '../attended-pixels.js';
import { type Extents, type HeadChannels, type PixelAttention, seenPixels } from '../pixel-attention.js';
import type { GraphBuilder } from './builder.js';

/** Names of the maps `[N, C, H, W]` that an attention over pixels reads. */
export interface AttendedNames {
  readonly query?: string;
  readonly key: string;
  readonly value: string;
}

/**
 * Writes attention over pixels as exporters spell it out: heads and pixels as matrices, whatever the map's size.
 * @param path of the operators' names
 * @param size extents of the map of keys, where they are known
 * @returns the name of the map that is written
 * @throws FoveaError `unsupported` for shifted windows that tell edges apart, where the map's extents are not known
 */
export function writePixelAttention(
  graph: GraphBuilder,
  attention: PixelAttention,
  { query, key, value }: AttendedNames,
  path: string,
  size: Extents | undefined,
): string {
  const { by, heads, depth, width, epsilon, scale } = attention;
  const writer = new PixelWriter(graph, attention);
  const named = (operator: string) => ({ name: `${path}/${operator}` });
  const keys = writer.matrices(key, attention.key, depth);
  const values = writer.matrices(value, attention.value, width);
  const scaled = (matrices: string) =>
    scale === 1 ? matrices : graph.node('Mul', [matrices, graph.scalar(scale)]);
  if (by === 'context' || query === undefined || !attention.query) {
    const weights = graph.node('Softmax', [scaled(keys)], { axis: -1 }, named('Softmax'));
    const sum = graph.sum(graph.node('Mul', [values, weights]), [-1]);
    const all = graph.node('Expand', [sum, graph.node('Shape', [values])]);
    return writer.map(all, value, heads * width);
  }
  const queries = writer.turned(writer.matrices(query, attention.query, depth));
  if (by === 'softmax') {
    const products = graph.node('MatMul', [scaled(queries), keys], {}, named('MatMul'));
    const weights = graph.node(
      'Softmax',
      [writer.added(products, path, size)],
      { axis: -1 },
      named('Softmax'),
    );
    const attended = graph.node('MatMul', [weights, writer.turned(values)]);
    return writer.map(writer.turned(attended), query, heads * width);
  }
  const [positive, weighing] = [queries, keys].map((matrices) => graph.node('Relu', [matrices]));
  // With a column of ones the products' last column is what the others are divided by.
  const withOnes = graph.padded(writer.turned(values), [...writer.axes.map(() => 0), 0, 1], 1);
  const products = graph.node('MatMul', [weighing!, withOnes], {}, named('MatMul'));
  const sums = graph.node('MatMul', [positive!, products]);
  const part = (first: number, count: number) => graph.part(sums, -1, first, count);
  const total = graph.node('Add', [part(width, 1), graph.scalar(epsilon)]);
  const attended = graph.node('Div', [part(0, width), total], {}, named('Div'));
  return writer.map(writer.turned(attended), query, heads * width);
}

/**
 * Maps as matrices `[N, heads, channels, pixels]`, or `[N, places across, places down, heads, channels, pixels]` of patches and
 * `[N, windows down, windows across, heads, channels, pixels]`, and back.
 */
class PixelWriter {
  /** Those before the last one, of which a pad is 0. */
  readonly axes: readonly number[];
  readonly #whole: boolean;

  constructor(
    private readonly graph: GraphBuilder,
    private readonly attention: PixelAttention,
  ) {
    this.#whole = attention.patch.join() === '1,1' && !attention.windows;
    this.axes = Array.from({ length: this.#whole ? 2 : 4 }, (_, axis) => axis);
  }

  matrices(map: string, channels: HeadChannels, count: number): string {
    const { heads } = this.attention;
    const chosen = this.#channels(map, channels, count);
    if (this.#whole) return this.graph.node('Reshape', [chosen, this.graph.integers([0, heads, count, -1])]);
    return this.graph.node('Reshape', [
      this.#parts(chosen),
      this.graph.integers([0, 0, 0, heads, count, -1]),
    ]);
  }

  /** Products with what is added to them. */
  added(products: string, path: string, size: Extents | undefined): string {
    const { graph, attention } = this;
    const { bias, windows, heads } = attention;
    let sum = products;
    if (bias) {
      const values = graph.floats(graph.fresh('bias'), [heads, bias.queries, bias.keys], bias.values);
      sum = graph.node('Add', [sum, values], {}, { name: `${path}/Add` });
    }
    if (!windows || windows.apart === 0) return sum;
    if (!size)
      throw new FoveaError(
        'unsupported',
        `${path}: what tells the edges of shifted windows apart depends on the image's size: a size of numbers is accepted`,
      );
    const seen = seenPixels(attention, size);
    const [down, across] = [size[1] / windows.extent[0], size[2] / windows.extent[1]];
    const values = graph.floats(
      graph.fresh('apart'),
      [1, down, across, 1, seen, seen],
      apartValues(attention, size)!,
    );
    return graph.node('Add', [sum, values], {}, { name: `${path}/Add_1` });
  }

  /** Rows of matrices as columns. */
  turned(matrices: string): string {
    const { length } = this.axes;
    return this.graph.node('Transpose', [matrices], { perm: [...this.axes, length + 1, length] });
  }

  /** Matrices as a map with the extents of `like`. */
  map(matrices: string, like: string, channels: number): string {
    const { graph } = this;
    if (this.#whole) return graph.node('Reshape', [matrices, this.#extents(like, 1, channels)]);
    const parts = graph.node('Reshape', [matrices, this.#extents(this.#parts(like), 3, channels)]);
    const { windows } = this.attention;
    const rows = graph.node('Transpose', [parts], {
      perm: windows ? [0, 3, 1, 4, 2, 5] : [0, 3, 4, 2, 5, 1],
    });
    const map = graph.node('Reshape', [rows, this.#extents(like, 1, channels)]);
    return windows ? this.#rolled(map, [-windows.shift[0], -windows.shift[1]]) : map;
  }

  /**
   * `[N, C, H, W]` as `[N, patch width, patch height, C, H / patch height, W / patch width]`, or
   * `[N, H / window height, W / window width, C, window height, window width]`.
   */
  #parts(map: string): string {
    const { graph } = this;
    const { windows, patch } = this.attention;
    const [height, width] = windows?.extent ?? patch;
    const whole = windows ? this.#rolled(map, windows.shift) : map;
    const columns = graph.node('Reshape', [whole, graph.integers([0, 0, 0, -1, width])]);
    const turned = graph.node('Transpose', [columns], { perm: [0, 1, 3, 4, 2] });
    const rows = graph.node('Reshape', [turned, graph.integers([0, 0, 0, 0, -1, height])]);
    return graph.node('Transpose', [rows], { perm: windows ? [0, 4, 2, 1, 5, 3] : [0, 3, 5, 1, 4, 2] });
  }

  /** A map that begins with another row and column, and ends with those before them; negative ones count from the end. */
  #rolled(map: string, shift: readonly [number, number]): string {
    const { graph } = this;
    return shift.reduce((rolled, pixels, axis) => {
      if (pixels === 0) return rolled;
      const [ahead, behind] = [
        graph.part(rolled, 2 + axis, pixels, Number.MAX_SAFE_INTEGER),
        graph.part(rolled, 2 + axis, 0, pixels),
      ];
      return graph.node('Concat', [ahead, behind], { axis: 2 + axis });
    }, map);
  }

  /** The extents of a value, one of them another. */
  #extents(value: string, axis: number, extent: number): string {
    const { graph } = this;
    const shape = graph.node('Shape', [value]);
    const rest = graph.part(shape, 0, axis + 1, Number.MAX_SAFE_INTEGER);
    return graph.node('Concat', [graph.part(shape, 0, 0, axis), graph.integers([extent]), rest], { axis: 0 });
  }

  #channels(map: string, { first, step }: HeadChannels, count: number): string {
    const { heads } = this.attention;
    if (heads === 1 || step === count) return this.graph.channels(map, first, heads * count);
    const places = Array.from(
      { length: heads * count },
      (_, i) => first + Math.floor(i / count) * step + (i % count),
    );
    return this.graph.node('Gather', [map, this.graph.integers(places)], { axis: 1 });
  }
}
