import type { PixelAttention } from '../../network.js';
import type { Budget } from '../budget.js';
import { changed } from '../changed.js';
import type { TensorProto } from '../generated/onnx_pb.js';
import { floatOf, type Graph, type GraphNode, intOf, intsOf, stringOf } from '../graph.js';
import type { Inference } from '../infer-shapes.js';
import { type Attributes, BYTES_PER_OPERATOR, madeOperator, rewrittenOperator } from '../made-operator.js';
import { pointwiseOperators } from '../pointwise-operators.js';
import {
  countOf,
  dimsOf,
  float32Values,
  floatTensor,
  integerTensor,
  isFloatType,
  numberValues,
} from '../tensor.js';
import { attentionOperator } from './attention-operator.js';
import { matchAttention, type Weighing } from './match-attention.js';
import {
  adjacentChannels,
  chosen,
  isChannels,
  isComplete,
  isMap,
  isPlain,
  onMap,
  type PixelView,
  reshaped,
  sameDimensions,
  sliced,
  transposed,
  wholeMap,
} from './pixel-view.js';

/**
 * Writes attention over pixels, and what stands around it on matrices of pixels, as operators on maps: linear layers as 1x1
 * convolutions, the attention itself as one operator. Reshapes and transposes between them are gone then, and the network
 * is one of maps, of any size (MobileViT, EfficientViT and others).
 * @param inference shapes of all values, for one image
 * @returns the graph itself where it has no such attention, or where parts of it would be computed twice
 */
export function withPixelsAsMaps(graph: Graph, inference: Inference, budget: Budget): Graph {
  const products = graph.nodes.filter(({ op }) => op === 'Softmax' || op === 'MatMul');
  if (products.length === 0) return graph;
  return new PixelReader(graph, inference, budget).graph() ?? graph;
}

/** A product of two matrices of pixels, times `scale`; `softened` where its rows have been made weights. */
interface Product {
  readonly left: PixelView;
  readonly right: PixelView;
  readonly scale: number;
  readonly softened: boolean;
}

/** Queries times the product of keys and values: all columns, those of values or the last one, `epsilon` added. */
interface Weighed {
  readonly query: PixelView;
  readonly product: Product;
  readonly part: 'all' | 'values' | 'total';
  readonly epsilon: number;
}

/** Keys of a context that have been made weights, and such keys times values. */
interface Context {
  readonly key: PixelView;
  readonly value?: PixelView;
}

const toLast = [0, 2, 3, 1];
const toFirst = [0, 3, 1, 2];
const renaming = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);
const passing = new Set(['Identity', 'Cast', 'Dropout']);
/** Exponents, roots and quotients that a factor is made of, as PyTorch traces them. */
const mostSteps = 8;

class PixelReader {
  readonly #nodes: GraphNode[] = [];
  readonly #constants: Map<string, TensorProto>;
  readonly #names: Set<string>;
  readonly #writers = new Map<string, GraphNode>();
  readonly #views = new Map<string, PixelView>();
  readonly #products = new Map<string, Product>();
  readonly #weighed = new Map<string, Weighed>();
  readonly #contexts = new Map<string, Context>();
  /** Sums of contexts, whose pixels all have the same: as many as they stand for. */
  readonly #sums = new Map<string, PixelView>();
  /** Maps by the views that they were made for. */
  readonly #made = new Map<string, string>();
  /** Operators whose work another one does on maps. */
  readonly #replaced = new Set<GraphNode>();
  /** Operators that others stand for altogether. */
  readonly #gone = new Set<GraphNode>();
  #attentions = 0;

  constructor(
    private readonly source: Graph,
    private readonly inference: Inference,
    private readonly budget: Budget,
  ) {
    this.#constants = new Map(source.constants);
    this.#names = new Set([...source.nodes.flatMap(({ outputs }) => outputs), ...source.constants.keys()]);
    for (const { name } of source.inputs) this.#names.add(name);
    for (const node of source.nodes) for (const output of node.outputs) this.#writers.set(output, node);
  }

  /** Undefined where nothing is gained. */
  graph(): Graph | undefined {
    for (const node of this.source.nodes) {
      if (node.domain === '' && this.#read(node)) this.#written(node);
      else this.#nodes.push(node);
    }
    if (this.#attentions === 0) return undefined;
    const read = new Set(this.source.outputs);
    const nodes = this.#nodes
      .reverse()
      .filter((node) => {
        if (!node.outputs.some((name) => read.has(name))) return false;
        for (const name of [...node.inputs, ...node.captured]) read.add(name);
        return true;
      })
      .reverse();
    if (nodes.some((node) => this.#replaced.has(node))) return undefined;
    nodes.forEach((node, position) => {
      node.position = position;
    });
    return { ...this.source, nodes, constants: this.#constants };
  }

  /** Puts the maps that an operator's values are in the place of it where they are whole, and else keeps it for other readers. */
  #written(node: GraphNode): void {
    if (this.#gone.has(node)) return;
    const whole = node.outputs.every((name) => {
      const view = this.#views.get(name);
      return view && isMap(view);
    });
    if (!whole) {
      this.#nodes.push(node);
      return;
    }
    for (const name of node.outputs) {
      this.#put(madeOperator('Identity', node.name, [this.#views.get(name)!.map], name));
      this.#views.delete(name);
    }
  }

  /** Whether an operator's output is a view of a map, or on the way to one; the operator itself is still to be kept. */
  #read(node: GraphNode): boolean {
    const { op, inputs, outputs } = node;
    if (passing.has(op)) return this.#pass(node);
    if (op === 'Split') return this.#split(node);
    if (outputs.length !== 1) return false;
    const x = this.#view(inputs[0]!);
    if (renaming.has(op)) return this.#define(node, x && this.#renamed(node, x));
    switch (op) {
      case 'Transpose':
        return this.#define(
          node,
          x && transposed(x, intsOf(node, 'perm') ?? x.dimensions.map((_, i, { length }) => length - 1 - i)),
        );
      case 'Slice':
        return this.#slice(node, x);
      case 'Gather':
        return this.#define(node, x && this.#gathered(node, x));
      case 'Pad':
        return this.#define(node, x && this.#padded(node, x));
      case 'Softmax':
        return this.#softmax(node, x);
      case 'MatMul':
        return this.#matMul(node, x);
      case 'Mul':
      case 'Div':
      case 'Add':
      case 'Sub':
        return this.#arithmetic(node);
      case 'ReduceSum':
        return this.#contextSum(node);
      case 'Expand': {
        const sum = this.#sums.get(inputs[0]!);
        const fits = sum && countsOf(sum).join() === this.#dims(outputs[0]!)?.join();
        return fits ? this.#define(node, sum) : false;
      }
      case 'LayerNormalization':
      case 'RMSNormalization':
        return x !== undefined && this.#layerNormalised(node, x);
      case 'InstanceNormalization':
      case 'GroupNormalization':
        return x !== undefined && this.#groupNormalised(node, x);
      case 'BatchNormalization':
        return x !== undefined && isChannels(x.dimensions[1], x) && this.#onMaps(node, [x], inputs.slice(1));
      case 'Conv':
        return x !== undefined && this.#convolved(node, x);
      case 'Gemm':
        return x !== undefined && this.#gemm(node, x);
      case 'ReduceMean':
        return x !== undefined && this.#pooled(node, x);
      case 'Relu':
        if (x && !isMap(x) && !isComplete(x) && isPlain(x))
          return this.#define(node, { ...x, positive: true });
    }
    return x !== undefined && pointwiseOperators.has(op) && this.#onMaps(node, [x], inputs.slice(1));
  }

  // ---- What values are

  #dims(name: string): readonly number[] | undefined {
    return this.inference.shapes.get(name);
  }

  /** A value as a view of a map: one that is known, or a map of the graph itself. */
  #view(name: string): PixelView | undefined {
    const known = this.#views.get(name);
    if (known) return known;
    // On the way to an attention, or made of one.
    if ([this.#products, this.#weighed, this.#contexts, this.#sums].some((table) => table.has(name)))
      return undefined;
    const dims = this.#dims(name);
    if (dims?.length !== 4 || dims[0] !== 1 || this.#constants.has(name)) return undefined;
    if (this.inference.nonFloat.has(name) || !dims.every((extent) => extent >= 1)) return undefined;
    const [, C, H, W] = dims as [number, number, number, number];
    // Of a vector there is only one order.
    if (H * W === 1) return undefined;
    return wholeMap(name, [C, H, W]);
  }

  #define(node: GraphNode, view: PixelView | undefined): boolean {
    if (!view) return false;
    this.#views.set(node.outputs[0]!, view);
    return true;
  }

  #pass(node: GraphNode): boolean {
    const [input, output] = [node.inputs[0]!, node.outputs[0]!];
    if (node.op === 'Cast' && !isFloatType(intOf(node, 'to', 0))) return false;
    if (node.op === 'Dropout' && (node.inputs[2] ?? '') !== '') return false;
    const tables: Map<string, unknown>[] = [
      this.#views,
      this.#products,
      this.#weighed,
      this.#contexts,
      this.#sums,
    ];
    const table = tables.find((known) => known.has(input));
    table?.set(output, table.get(input));
    return table !== undefined;
  }

  /** The value of a number that the graph has, or makes of its extents. */
  #scalar(name: string, steps = mostSteps): number | undefined {
    const tensor = this.#constants.get(name);
    if (tensor)
      return isFloatType(tensor.dataType) && countOf(dimsOf(tensor)) === 1
        ? float32Values(tensor)[0]
        : undefined;
    const integers = this.inference.integers.get(name);
    if (integers?.length === 1) return integers[0];
    const node = this.#writers.get(name);
    if (!node || steps === 0 || node.domain !== '') return undefined;
    const [a, b] = node.inputs.map((input) => this.#scalar(input, steps - 1));
    if (a === undefined) return undefined;
    switch (node.op) {
      case 'Cast':
      case 'Identity':
      case 'Squeeze':
      case 'Unsqueeze':
        return a;
      case 'Sqrt':
        return Math.sqrt(a);
      case 'Reciprocal':
        return 1 / a;
      case 'Div':
        return b === undefined ? undefined : a / b;
      case 'Mul':
        return b === undefined ? undefined : a * b;
      case 'Pow':
        return b === undefined ? undefined : a ** b;
      default:
        return undefined;
    }
  }

  #integers(node: GraphNode, index: number): readonly number[] | undefined {
    const name = node.inputs[index];
    if (name === undefined || name === '') return undefined;
    const tensor = this.#constants.get(name);
    if (tensor) return isFloatType(tensor.dataType) ? undefined : numberValues(tensor);
    return this.inference.integers.get(name);
  }

  // ---- Other orders of the same numbers

  #renamed(node: GraphNode, view: PixelView): PixelView | undefined {
    const dims = this.#dims(node.outputs[0]!);
    return dims && reshaped(view, dims);
  }

  #split(node: GraphNode): boolean {
    const view = this.#view(node.inputs[0]!);
    if (!view) return false;
    const axis = axisOf(node, view, 0);
    const parts: PixelView[] = [];
    let first = 0;
    for (const output of node.outputs) {
      const extent = this.#dims(output)?.[axis];
      const part = extent === undefined ? undefined : sliced(view, axis, first, first + extent);
      if (extent === undefined || !part) return false;
      parts.push(part);
      first += extent;
    }
    node.outputs.forEach((output, i) => {
      this.#views.set(output, parts[i]!);
    });
    return true;
  }

  #slice(node: GraphNode, view: PixelView | undefined): boolean {
    const given = [
      intsOf(node, 'starts') ?? this.#integers(node, 1),
      intsOf(node, 'ends') ?? this.#integers(node, 2),
    ];
    const [[start] = [], [end] = []] = given;
    const axes = intsOf(node, 'axes') ?? this.#integers(node, 3) ?? [0];
    const steps = this.#integers(node, 4) ?? [1];
    if (start === undefined || end === undefined || axes.length !== 1 || steps.join() !== '1') return false;
    const weighed = this.#weighed.get(node.inputs[0]!);
    if (weighed) return this.#columns(node, weighed, axes[0]!, start, end);
    if (!view) return false;
    const axis = axes[0]! < 0 ? axes[0]! + view.dimensions.length : axes[0]!;
    const extent = countsOf(view)[axis];
    if (extent === undefined) return false;
    const within = (place: number) => Math.min(Math.max(place < 0 ? place + extent : place, 0), extent);
    return this.#define(node, sliced(view, axis, within(start), within(end)));
  }

  /** The columns of values, or the last one, of what queries and keys weigh. */
  #columns(node: GraphNode, weighed: Weighed, axis: number, start: number, end: number): boolean {
    const extents = countsOf(weighed.product.right);
    const [rank, width] = [extents.length, extents.at(-1)!];
    const from = start < 0 ? start + width + 1 : start;
    const to = Math.min(end < 0 ? end + width + 1 : end, width + 1);
    if ((axis !== -1 && axis !== rank - 1) || weighed.part !== 'all') return false;
    const part =
      from === 0 && to === width ? 'values' : from === width && to === width + 1 ? 'total' : undefined;
    if (part) this.#weighed.set(node.outputs[0]!, { ...weighed, part });
    return part !== undefined;
  }

  #gathered(node: GraphNode, view: PixelView): PixelView | undefined {
    const places = this.#integers(node, 1);
    const axis = axisOf(node, view, 0);
    const dims = this.#dims(node.outputs[0]!);
    if (!places || !dims) return undefined;
    if (dims.length === view.dimensions.length) return chosen(view, axis, places);
    const [place] = places;
    if (places.length !== 1 || dims.length !== view.dimensions.length - 1) return undefined;
    const at = place! < 0 ? place! + countsOf(view)[axis]! : place!;
    const part = sliced(view, axis, at, at + 1);
    return part && reshaped(part, dims);
  }

  /** Only a column of ones behind the others. */
  #padded(node: GraphNode, view: PixelView): PixelView | undefined {
    const pads = intsOf(node, 'pads') ?? this.#integers(node, 1);
    const value = node.inputs[2] ? this.#scalar(node.inputs[2]) : floatOf(node, 'value', 0);
    const ones =
      pads?.length === 2 * view.dimensions.length &&
      pads.every((pad, i) => pad === (i === pads.length - 1 ? 1 : 0));
    const constant = ['', 'constant'].includes(stringOf(node, 'mode', 'constant'));
    return ones && constant && value === 1 && !node.inputs[3] && isPlain(view)
      ? { ...view, one: true }
      : undefined;
  }

  // ---- Attention

  #softmax(node: GraphNode, view: PixelView | undefined): boolean {
    const product = this.#products.get(node.inputs[0]!);
    const rank = this.#dims(node.outputs[0]!)?.length ?? 0;
    const axis = intOf(node, 'axis', -1);
    if (axis !== -1 && axis !== rank - 1) return false;
    if (product && !product.softened) {
      this.#products.set(node.outputs[0]!, { ...product, softened: true });
      return true;
    }
    if (!view || view.positive || view.one) return false;
    this.#contexts.set(node.outputs[0]!, { key: view });
    return true;
  }

  #matMul(node: GraphNode, left: PixelView | undefined): boolean {
    const [a, b] = node.inputs as [string, string];
    const output = node.outputs[0]!;
    const constant = this.#constants.get(b);
    if (constant) return left !== undefined && this.#linear(node, left, constant);
    const [weights, right, product] = [this.#products.get(a), this.#view(b), this.#products.get(b)];
    if (weights?.softened && right && isPlain(right)) {
      const { left: query, right: key, scale } = weights;
      if (query.positive || key.positive) return false;
      const how = { by: 'softmax', scale: scale * query.scale * key.scale, epsilon: 0 } as const;
      return this.#attend(node, { query, key, value: right }, how);
    }
    if (weights || !left) return false;
    if (right) {
      this.#products.set(output, { left, right, scale: 1, softened: false });
      return true;
    }
    if (!product || product.softened || product.scale !== 1) return false;
    this.#weighed.set(output, { query: left, product, part: 'all', epsilon: 0 });
    return true;
  }

  #arithmetic(node: GraphNode): boolean {
    const { op, inputs, outputs } = node;
    const [a, b] = inputs as [string, string];
    const output = outputs[0]!;
    if (inputs.length !== 2) return false;
    const [given, other] = this.#scalar(a) === undefined ? [a, b] : [b, a];
    const number = this.#scalar(other);
    if (number !== undefined && !(op === 'Div' && other === a)) return this.#withNumber(node, given, number);
    const [left, right] = [this.#weighed.get(a), this.#weighed.get(b)];
    if (op === 'Div' && left?.part === 'values' && right?.part === 'total')
      return (
        left.product === right.product && left.query === right.query && this.#attendLinearly(node, right)
      );
    const [softened, times] = this.#contexts.has(a) ? [this.#contexts.get(a), b] : [this.#contexts.get(b), a];
    const value = this.#view(times);
    if (op === 'Mul' && softened && !softened.value && value && isPlain(value)) {
      this.#contexts.set(output, { ...softened, value });
      return true;
    }
    const views = inputs.map((name) => this.#view(name) ?? this.#sums.get(name));
    if (views.some((view) => view && !isMap(view))) {
      const [x, y] = views;
      if (x && y) return sameDimensions(x.dimensions, y.dimensions) && this.#onMaps(node, [x, y], []);
      const view = (x ?? y)!;
      const constant = this.#channelConstant(x ? b : a, view);
      return constant !== undefined && this.#onMaps(node, [view], [constant], y !== undefined);
    }
    return false;
  }

  /** A value and a number, which is a factor of views and products, or stands beside the weights of pixels. */
  #withNumber(node: GraphNode, name: string, number: number): boolean {
    const { op, outputs } = node;
    const output = outputs[0]!;
    const weighed = this.#weighed.get(name);
    if (weighed?.part === 'total' && op === 'Add') {
      this.#weighed.set(output, { ...weighed, epsilon: weighed.epsilon + number });
      return true;
    }
    const factor = op === 'Mul' ? number : op === 'Div' ? 1 / number : undefined;
    const product = this.#products.get(name);
    if (product && factor !== undefined && !product.softened) {
      this.#products.set(output, { ...product, scale: product.scale * factor });
      return true;
    }
    const view = this.#views.get(name);
    if (!view || view.one) return false;
    if (factor !== undefined) return this.#define(node, { ...view, scale: view.scale * factor });
    const other = node.inputs.find((input) => input !== name) ?? name;
    return this.#onMaps(node, [view], [other], node.inputs[0] !== name);
  }

  /** Keys as rows of channels times values with a column of ones; queries times that; divided by its last column. */
  #attendLinearly(node: GraphNode, { query, product, epsilon }: Weighed): boolean {
    const { left: key, right: value } = product;
    const all = [query, key].every(({ positive, scale, one }) => positive && scale === 1 && !one);
    if (!all || !value.one || value.positive || value.scale !== 1) return false;
    // Here the keys' channels come first, as everywhere else; the values' are the last.
    return this.#attend(node, { query, key, value }, { by: 'linear', scale: 1, epsilon });
  }

  #contextSum(node: GraphNode): boolean {
    const { key, value } = this.#contexts.get(node.inputs[0]!) ?? {};
    const axes = intsOf(node, 'axes') ?? this.#integers(node, 1);
    if (!key || !value || axes?.length !== 1 || intOf(node, 'keepdims', 1) !== 1) return false;
    if (axes[0] !== -1 && axes[0] !== value.dimensions.length - 1) return false;
    const how = { by: 'context', scale: key.scale, epsilon: 0 } as const;
    const found = matchAttention({ key, value }, how);
    if (!found) return false;
    this.#sums.set(node.outputs[0]!, this.#attended(node, [key.map, value.map], found));
    return true;
  }

  #attend(
    node: GraphNode,
    views: { readonly query: PixelView; readonly key: PixelView; readonly value: PixelView },
    how: Weighing,
  ): boolean {
    const found = matchAttention(views, how);
    return found
      ? this.#define(node, this.#attended(node, [views.query.map, views.key.map, views.value.map], found))
      : false;
  }

  #attended(
    node: GraphNode,
    maps: readonly string[],
    { attention, output }: { readonly attention: PixelAttention; readonly output: Omit<PixelView, 'map'> },
  ): PixelView {
    const map = this.#fresh(node.outputs[0]!);
    this.#put(attentionOperator(node.name, maps, map, attention));
    this.#replaced.add(node);
    this.#attentions++;
    return { ...output, map };
  }

  // ---- Operators on maps

  /** A view's numbers as all of a map in its own order: a slice of the channels, positive and scaled where the view is. */
  #asMap(view: PixelView): PixelView | undefined {
    if (view.one) return undefined;
    if (isComplete(view) && isPlain(view)) return view;
    const channels = adjacentChannels(view);
    if (!channels) return undefined;
    const [C] = view.extents;
    const key = JSON.stringify([view.map, channels, view.positive, view.scale]);
    let map = this.#made.get(key);
    if (map === undefined) {
      map = view.map;
      const named = (op: string) => `${view.map}/${op}`;
      const put = (op: string, inputs: readonly string[]) => {
        const made = this.#fresh(view.map);
        this.#put(madeOperator(op, named(op), inputs, made));
        return made;
      };
      if (channels.count < C) {
        const [starts, ends, axes] = [[channels.first], [channels.first + channels.count], [1]];
        map = put('Slice', [map, ...[starts, ends, axes].map((values) => this.#listed(view.map, values))]);
      }
      if (view.positive) map = put('Relu', [map]);
      if (view.scale !== 1)
        map = put('Mul', [map, this.#constant(view.map, floatTensor('', [], Float32Array.of(view.scale)))]);
      this.#made.set(key, map);
    }
    return { ...onMap(view, map), extents: [channels.count, view.extents[1], view.extents[2]] };
  }

  /**
   * The same operator on the maps of views of one order, and constants.
   * @param swapped whether a constant comes first
   */
  #onMaps(
    node: GraphNode,
    views: readonly PixelView[],
    constants: readonly string[],
    swapped = false,
  ): boolean {
    if (views.every(isMap)) return false;
    const maps = views.map((view) => this.#asMap(view));
    const [first] = maps;
    if (!first || maps.some((map) => map?.extents.join() !== first.extents.join())) return false;
    const names = maps.map((map) => map!.map);
    return this.#replace(node, swapped ? [...constants, ...names] : [...names, ...constants], first);
  }

  #replace(
    node: GraphNode,
    inputs: readonly string[],
    view: PixelView,
    attributes: Attributes = {},
    channels = view.extents[0],
  ) {
    const map = this.#fresh(node.outputs[0]!);
    this.#put(rewrittenOperator(node, inputs, map, attributes));
    this.#replaced.add(node);
    return this.#define(node, onMap(view, map, channels));
  }

  /** A constant of a view's channels as one of a map's, and one number as it is. */
  #channelConstant(name: string, view: PixelView): string | undefined {
    const tensor = this.#constants.get(name);
    if (!tensor) return undefined;
    const dims = dimsOf(tensor);
    const axis = view.dimensions.findIndex((dimension) => isChannels(dimension, view));
    const own = axis - (view.dimensions.length - dims.length);
    if (
      axis < 0 ||
      own < 0 ||
      !dims.every((extent, i) => (i === own ? extent === view.extents[0] : extent === 1))
    )
      return undefined;
    return this.#constant(name, changed(tensor, { dims: [1n, BigInt(view.extents[0]), 1n, 1n] }));
  }

  /** A layer of the channels of each pixel, which come last. */
  #linear(node: GraphNode, view: PixelView, matrix: TensorProto): boolean {
    const dims = dimsOf(matrix);
    if (dims.length !== 2 || countOf(dims) === 0 || !isFloatType(matrix.dataType)) return false;
    const [rows, columns] = dims as [number, number];
    return this.#layer(node, view, { matrix, rows, columns, turned: false }, undefined);
  }

  #gemm(node: GraphNode, view: PixelView): boolean {
    const matrix = this.#constants.get(node.inputs[1]!);
    const dims = matrix ? dimsOf(matrix) : [];
    const alone =
      intOf(node, 'transA', 0) === 0 && floatOf(node, 'alpha', 1) === 1 && floatOf(node, 'beta', 1) === 1;
    if (!matrix || !alone || dims.length !== 2 || countOf(dims) === 0 || !isFloatType(matrix.dataType))
      return false;
    const turned = intOf(node, 'transB', 0) !== 0;
    const [rows, columns] = (turned ? [dims[1], dims[0]] : dims) as [number, number];
    const bias = node.inputs[2] ? this.#constants.get(node.inputs[2]) : undefined;
    if (node.inputs[2] && (!bias || dimsOf(bias).join() !== `${columns}`)) return false;
    return this.#layer(node, view, { matrix, rows, columns, turned }, node.inputs[2]);
  }

  #layer(
    node: GraphNode,
    view: PixelView,
    {
      matrix,
      rows,
      columns,
      turned,
    }: { matrix: TensorProto; rows: number; columns: number; turned: boolean },
    bias: string | undefined,
  ): boolean {
    const last = view.dimensions.length - 1;
    const map = isMap(view) ? undefined : this.#asMap(view);
    if (!map || !isChannels(map.dimensions[last], map) || map.extents[0] !== rows || columns < 2)
      return false;
    this.budget.spend(8 * rows * columns);
    const values = float32Values(matrix);
    const weights = turned ? values : new Float32Array(values.length);
    if (!turned)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) weights[j * rows + i] = values[i * columns + j]!;
    const weight = this.#constant(node.inputs[1]!, floatTensor('', [columns, rows, 1, 1], weights));
    const output = this.#fresh(node.outputs[0]!);
    this.#put(madeOperator('Conv', node.name, [map.map, weight, ...(bias ? [bias] : [])], output));
    this.#replaced.add(node);
    return this.#define(node, onMap(map, output, columns));
  }

  /** A convolution of each pixel of a map in another order. */
  #convolved(node: GraphNode, view: PixelView): boolean {
    const weight = this.#constants.get(node.inputs[1]!);
    const dims = weight ? dimsOf(weight) : [];
    if (isMap(view) || dims.slice(2).some((extent) => extent !== 1) || view.dimensions.length !== dims.length)
      return false;
    const plain = [...(intsOf(node, 'strides') ?? [1]), ...(intsOf(node, 'dilations') ?? [1])].every(
      (step) => step === 1,
    );
    if (!plain || (intsOf(node, 'pads') ?? []).some((pad) => pad !== 0)) return false;
    const map = this.#asMap(view);
    if (!map || !isChannels(map.dimensions[1], map) || map.dimensions[0]!.length > 0 || dims[0]! < 2)
      return false;
    const two = {
      kernel_shape: [1, 1],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
      auto_pad: 'NOTSET',
    };
    const inputs = [
      map.map,
      this.#constant(node.inputs[1]!, changed(weight!, { dims: [dims[0]!, dims[1]!, 1, 1].map(BigInt) })),
    ];
    return this.#replace(node, [...inputs, ...node.inputs.slice(2)], map, two, dims[0]!);
  }

  #layerNormalised(node: GraphNode, view: PixelView): boolean {
    const last = view.dimensions.length - 1;
    const axis = intOf(node, 'axis', -1);
    const map = isMap(view) ? undefined : this.#asMap(view);
    if (!map || (axis !== -1 && axis !== last) || !isChannels(map.dimensions[last], map)) return false;
    const [turned, normed, output] = [0, 1, 2].map(() => this.#fresh(node.outputs[0]!)) as [
      string,
      string,
      string,
    ];
    this.#put(madeOperator('Transpose', turned, [map.map], turned, { perm: toLast }));
    this.#put(rewrittenOperator(node, [turned, ...node.inputs.slice(1)], normed, { axis: -1 }));
    this.#put(madeOperator('Transpose', output, [normed], output, { perm: toFirst }));
    this.#replaced.add(node);
    return this.#define(node, onMap(map, output));
  }

  /** Groups of channels of a whole image, which PyTorch makes rows of. */
  #groupNormalised(node: GraphNode, view: PixelView): boolean {
    const map = isMap(view) ? undefined : this.#asMap(view);
    if (!map || map.dimensions[0]!.length > 0) return false;
    const [C] = map.extents;
    if (isChannels(map.dimensions[1], map)) return this.#onMaps(node, [view], node.inputs.slice(1));
    const groups = this.#dims(node.inputs[0]!)?.[1];
    const [slowest] = map.dimensions[1]!;
    const ofGroups =
      groups === 1 ? map.dimensions[1]!.length === 0 : slowest?.of === 'C' && slowest.step * groups! === C;
    const given = [1, 2].map((index) => this.#constants.get(node.inputs[index]!));
    if (
      node.op !== 'InstanceNormalization' ||
      groups === undefined ||
      !ofGroups ||
      map.dimensions[1]!.length > 1
    )
      return false;
    if (given.some((tensor) => !tensor || countOf(dimsOf(tensor)) !== groups)) return false;
    const [scale, shift] = given.map((tensor, i) => {
      const values = float32Values(tensor!);
      const all = Float32Array.from({ length: C }, (_, c) => values[Math.floor((c * groups) / C)]!);
      return this.#constant(node.inputs[i + 1]!, floatTensor('', [C], all));
    });
    const output = this.#fresh(node.outputs[0]!);
    const attributes = { epsilon: Float32Array.of(floatOf(node, 'epsilon', 1e-5)), num_groups: groups };
    this.#put(madeOperator('GroupNormalization', node.name, [map.map, scale!, shift!], output, attributes));
    this.#replaced.add(node);
    return this.#define(node, onMap(map, output));
  }

  /** The mean of all pixels. */
  #pooled(node: GraphNode, view: PixelView): boolean {
    const axes = (intsOf(node, 'axes') ?? this.#integers(node, 1))?.map((axis) =>
      axis < 0 ? axis + view.dimensions.length : axis,
    );
    const map = isMap(view) ? undefined : this.#asMap(view);
    const [C] = view.extents;
    if (!map || !axes || this.#dims(node.outputs[0]!)?.join() !== `1,${C}`) return false;
    const left = map.dimensions.filter((_, axis) => !axes.includes(axis)).flat();
    if (left.length !== 1 || !isChannels(left, map)) return false;
    const pooled = this.#fresh(node.outputs[0]!);
    this.#put(madeOperator('GlobalAveragePool', node.name, [map.map], pooled));
    this.#replaced.add(node);
    this.#put(madeOperator('Flatten', `${node.name}/flat`, [pooled], node.outputs[0]!, { axis: 1 }));
    this.#gone.add(node);
    return true;
  }

  #put(node: GraphNode): void {
    this.budget.spend(BYTES_PER_OPERATOR);
    this.#nodes.push(node);
  }

  #listed(name: string, values: readonly number[]): string {
    return this.#constant(name, integerTensor('', [...values]));
  }

  #constant(name: string, tensor: TensorProto): string {
    const own = this.#fresh(name);
    this.#constants.set(own, changed(tensor, { name: own }));
    return own;
  }

  #fresh(name: string): string {
    let own = `${name}/pixels`;
    while (this.#names.has(own)) own += "'";
    this.#names.add(own);
    return own;
  }
}

const countsOf = ({ dimensions }: PixelView): number[] =>
  dimensions.map((dimension) => dimension.reduce((product, { extent }) => product * extent, 1));

function axisOf(node: GraphNode, { dimensions }: PixelView, otherwise: number): number {
  const axis = intOf(node, 'axis', otherwise);
  return axis < 0 ? axis + dimensions.length : axis;
}
