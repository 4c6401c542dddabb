import type { GraphNode } from '../graph.js';
import { inferShapes } from '../infer-shapes.js';
import { madeOperator } from '../made-operator.js';
import { countOf } from '../tensor.js';
import type { PixelGraph } from './pixel-graph.js';
import {
  type Digit,
  type Dimension,
  isComplete,
  isPlain,
  isRolled,
  type PixelView,
  sameDimension,
  sameDimensions,
} from './pixel-view.js';

const toFirst = [0, 3, 1, 2];

/** Positions of one axis of a map as an extent of a value, `step` apart. */
const along = (of: Digit['of'], step: number, extent: number): Dimension =>
  extent > 1 ? [{ of, step, extent }] : [];

/** Tokens as a map: of one row, or of what several extents before the channels are. */
function asRows(dims: readonly number[]): Pick<PixelView, 'extents' | 'dimensions'> {
  const [first, second] = dims as [number, number];
  const axes = dims.slice(0, -1);
  const C = dims.at(-1)!;
  const ofRank4 = dims.length === 4 ? second : 1;
  const H = first > 1 ? first : ofRank4;
  const rows = axes.map((extent, axis) => {
    if (first > 1 ? axis === 0 : H > 1 && axis === 1) return along('H', 1, extent);
    return along('W', countOf(axes.slice(axis + 1)), extent);
  });
  return { extents: [C, H, countOf(axes) / H], dimensions: [...rows, along('C', 1, C)] };
}

/** Whether a value has all of a map's pixels in their order, each with its channels. */
export function isRowByRow(view: PixelView): boolean {
  const {
    extents: [C, H, W],
    dimensions,
  } = view;
  const inOrder = [...along('H', 1, H), ...along('W', 1, W), ...along('C', 1, C)];
  return !isRolled(view) && sameDimension(dimensions.flat(), inOrder);
}

/**
 * The way between values whose last extent is the channels of each token, which nothing says are pixels of a map, and maps
 * that hold them: `[N, T, C]` is a map of one row.
 */
export class TokenMaps {
  /** Maps that were made of values. */
  made = 0;
  readonly #views = new Map<string, readonly PixelView[]>();
  #ofTwo: ReadonlyMap<string, readonly number[] | undefined> | undefined;

  /** @param wanted whether any are made */
  constructor(
    private readonly graph: PixelGraph,
    private readonly wanted: boolean,
  ) {}

  /**
   * A value of rank 2 to 5 as a map of its tokens, which is made; undefined of vectors and of what is no float.
   * @param like a view of the same extents: where it has a map's pixels row by row, the map has as many rows and columns
   */
  of(name: string, like?: PixelView): PixelView | undefined {
    const dims = this.graph.dims(name);
    if (!this.wanted || !dims || dims.length < 2 || dims.length > 5 || !dims.every((extent) => extent >= 1))
      return undefined;
    if (this.graph.constants.has(name) || this.graph.inference.nonFloat.has(name)) return undefined;
    const C = dims.at(-1)!;
    if (C < 2 || countOf(dims) / C < 2) return undefined;
    const { extents, dimensions } = like && isRowByRow(like) ? like : asRows(dims);
    const isSuch = (view: PixelView) =>
      isPlain(view) &&
      !isRolled(view) &&
      view.extents.join() === extents.join() &&
      sameDimensions(view.dimensions, dimensions);
    const known = [this.graph.views.get(name), ...(this.#views.get(name) ?? [])].find(
      (view) => view && isSuch(view),
    );
    if (known) return known;
    const map = this.#written(name, dims, extents);
    const view: PixelView = {
      ...{ map, extents, dimensions, first: 0, roll: [0, 0] },
      ...{ scale: 1, positive: false, one: false },
    };
    this.made++;
    this.#views.set(name, [...(this.#views.get(name) ?? []), view]);
    this.graph.views.set(name, view);
    return view;
  }

  #written(name: string, dims: readonly number[], [C, H, W]: PixelView['extents']): string {
    const batch = this.#isBatchFirst(name);
    let value = name;
    if (dims.join() !== [1, H, W, C].join() || !batch) {
      value = this.graph.fresh(name);
      const extents = this.graph.listed(name, [batch ? -1 : 1, H, W, C]);
      this.graph.put(madeOperator('Reshape', value, [name, extents], value));
    }
    const map = this.graph.fresh(name);
    this.graph.put(madeOperator('Transpose', map, [value], map, { perm: toFirst }));
    return map;
  }

  /**
   * Puts operators that write an operator's value from the map that it is a view of, for readers that know no maps.
   * @returns false where the view has not all of the map's numbers, or others
   */
  write(node: GraphNode): boolean {
    const name = node.outputs[0]!;
    const view = this.graph.views.get(name);
    const dims = this.graph.dims(name);
    if (!this.wanted || !view || !dims || !isComplete(view) || !isPlain(view) || isRolled(view)) return false;
    const places = new Map<Digit, number>();
    for (const axis of ['C', 'H', 'W'] as const) {
      const digits = view.dimensions.flat().filter(({ of }) => of === axis);
      for (const digit of digits.sort((a, b) => b.step - a.step)) places.set(digit, places.size + 1);
    }
    const batch = this.#isBatchFirst(name) ? -1 : 1;
    const order = [0, ...view.dimensions.flat().map((digit) => places.get(digit)!)];
    const put = (op: string, inputs: readonly string[], output: string, attributes = {}) => {
      this.graph.put(madeOperator(op, `${output}/${op}`, inputs, output, attributes));
      return output;
    };
    const shaped = (value: string, extents: readonly number[], output: string) =>
      put('Reshape', [value, this.graph.listed(name, extents)], output);
    const digits = [...places.keys()].map(({ extent }) => extent);
    const split = shaped(view.map, [batch, ...digits], this.graph.fresh(name));
    const turned = put('Transpose', [split], this.graph.fresh(name), { perm: order });
    shaped(turned, [batch * dims[0]! < 0 ? -1 : dims[0]!, ...dims.slice(1)], name);
    return true;
  }

  /**
   * Whether images follow each other along a value's first extent. Where that is not certain, what is made of a value holds for
   * one image alone, and says so with more.
   */
  #isBatchFirst(name: string): boolean {
    const dims = this.graph.dims(name)!;
    this.#ofTwo ??= this.#shapesOfTwo();
    const ofTwo = this.#ofTwo.get(name);
    if (!ofTwo || ofTwo.join() === dims.join())
      return dims[0] === 1 && dims.slice(1).every((extent) => extent > 1);
    // Of a matrix either of images and tokens may be the slower one.
    const certain = dims[0] === 1 || dims.length > 2;
    return certain && ofTwo.every((extent, axis) => extent === dims[axis]! * (axis === 0 ? 2 : 1));
  }

  /** Extents of all values for two images, as far as rules say. */
  #shapesOfTwo(): ReadonlyMap<string, readonly number[] | undefined> {
    const { source, inference } = this.graph;
    const written = new Set(source.nodes.flatMap(({ outputs }) => outputs));
    const images = source.nodes
      .flatMap(({ inputs }) => inputs)
      .filter((name) => !written.has(name) && !source.constants.has(name));
    const inputs = images.map((name) => {
      const dims = inference.shapes.get(name);
      return [name, dims && [2 * dims[0]!, ...dims.slice(1)]] as const;
    });
    return inferShapes(source.nodes, source.constants, new Map(inputs)).shapes;
  }
}
