import type { Budget } from '../budget.js';
import { changed } from '../changed.js';
import type { TensorProto } from '../generated/onnx_pb.js';
import { type Graph, type GraphNode, intsOf } from '../graph.js';
import type { Inference } from '../infer-shapes.js';
import { BYTES_PER_OPERATOR } from '../made-operator.js';
import { countOf, dimsOf, float32Values, integerTensor, isFloatType, numberValues } from '../tensor.js';
import type { Added } from './added-products.js';
import { type PixelView, wholeMap } from './pixel-view.js';

/**
 * A product of two matrices of pixels, times `scale`; `softened` where its rows have been made weights, `turned` where those
 * are columns now.
 */
export interface Product {
  readonly left: PixelView;
  readonly right: PixelView;
  readonly scale: number;
  /** What has been added after that. */
  readonly added: readonly Added[];
  readonly softened: boolean;
  readonly turned: boolean;
}

/** Queries times the product of keys and values: all columns, those of values or the last one, `epsilon` added. */
export interface Weighed {
  readonly query: PixelView;
  readonly product: Product;
  readonly part: 'all' | 'values' | 'total';
  readonly epsilon: number;
}

/** What a Slice takes along an axis. */
export interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Keys of a context that have been made weights, and such keys times values. */
export interface Context {
  readonly key: PixelView;
  readonly value?: PixelView;
}

/** Roots and quotients that a factor is made of, as PyTorch traces them. */
const mostSteps = 8;

/** A graph whose values are found to be views of maps, and the operators on those maps that are put into it. */
export class PixelGraph {
  readonly nodes: GraphNode[] = [];
  readonly constants: Map<string, TensorProto>;
  /** Views of maps, by the names of values. */
  readonly views = new Map<string, PixelView>();
  readonly products = new Map<string, Product>();
  readonly weighed = new Map<string, Weighed>();
  readonly contexts = new Map<string, Context>();
  /** Sums of contexts, whose pixels all have the same: as many as they stand for. */
  readonly sums = new Map<string, PixelView>();
  /** Operators whose work another one does on maps. */
  readonly replaced = new Set<GraphNode>();
  /** Operators that others stand for altogether. */
  readonly gone = new Set<GraphNode>();
  attentions = 0;
  readonly #names: Set<string>;
  readonly #writers = new Map<string, GraphNode>();

  /** @param inference shapes of all values, for one image */
  constructor(
    readonly source: Graph,
    readonly inference: Inference,
    readonly budget: Budget,
  ) {
    this.constants = new Map(source.constants);
    this.#names = new Set([...source.nodes.flatMap(({ outputs }) => outputs), ...source.constants.keys()]);
    for (const { name } of source.inputs) this.#names.add(name);
    for (const node of source.nodes) for (const output of node.outputs) this.#writers.set(output, node);
  }

  /** Extents of a value, for one image. */
  dims(name: string): readonly number[] | undefined {
    return this.inference.shapes.get(name);
  }

  /** The operator of the source that writes a value. */
  writer(name: string): GraphNode | undefined {
    return this.#writers.get(name);
  }

  /** A value as a view of a map: one that is known, or a map of the graph itself. */
  view(name: string): PixelView | undefined {
    const known = this.views.get(name);
    if (known) return known;
    // On the way to an attention, or made of one.
    if ([this.products, this.weighed, this.contexts, this.sums].some((table) => table.has(name)))
      return undefined;
    const dims = this.dims(name);
    if (dims?.length !== 4 || dims[0] !== 1 || this.constants.has(name)) return undefined;
    if (this.inference.nonFloat.has(name) || !dims.every((extent) => extent >= 1)) return undefined;
    const [, C, H, W] = dims as [number, number, number, number];
    // Of a vector there is only one order.
    if (H * W === 1) return undefined;
    return wholeMap(name, [C, H, W]);
  }

  /** Says what an operator's value is; false where that is not known. */
  define(node: GraphNode, view: PixelView | undefined): boolean {
    if (!view) return false;
    this.views.set(node.outputs[0]!, view);
    return true;
  }

  /** The value of a number that the graph has, or makes of its extents. */
  scalar(name: string, steps = mostSteps): number | undefined {
    const tensor = this.constants.get(name);
    if (tensor)
      return isFloatType(tensor.dataType) && countOf(dimsOf(tensor)) === 1
        ? float32Values(tensor)[0]
        : undefined;
    const integers = this.inference.integers.get(name);
    if (integers?.length === 1) return integers[0];
    const node = this.#writers.get(name);
    if (!node || steps === 0 || node.domain !== '') return undefined;
    const [a, b] = node.inputs.map((input) => this.scalar(input, steps - 1));
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

  /** Integers that an operator reads, where they are known. */
  integers(node: GraphNode, index: number): readonly number[] | undefined {
    const name = node.inputs[index];
    if (name === undefined || name === '') return undefined;
    const tensor = this.constants.get(name);
    if (tensor) return isFloatType(tensor.dataType) ? undefined : numberValues(tensor);
    return this.inference.integers.get(name);
  }

  /** What a Slice takes, axis by axis, as the file says it; undefined where that is not known. */
  cutsOf(node: GraphNode): readonly Cut[] | undefined {
    const list = (name: string, index: number) => intsOf(node, name) ?? this.integers(node, index);
    const [starts, ends] = [list('starts', 1), list('ends', 2)];
    if (!starts || !ends || starts.length !== ends.length) return undefined;
    const axes = list('axes', 3) ?? starts.map((_, axis) => axis);
    const steps = this.integers(node, 4) ?? starts.map(() => 1);
    if (axes.length !== starts.length || steps.length !== starts.length) return undefined;
    return starts.map((start, i) => ({ axis: axes[i]!, start, end: ends[i]!, step: steps[i]! }));
  }

  /** What a Slice along one axis takes of positions that follow each other. */
  sliceOf(node: GraphNode): Cut | undefined {
    const [cut, ...others] = this.cutsOf(node) ?? [];
    return others.length === 0 && cut?.step === 1 ? cut : undefined;
  }

  /** Puts an operator behind those before. */
  put(node: GraphNode): void {
    this.budget.spend(BYTES_PER_OPERATOR);
    this.nodes.push(node);
  }

  /** Integers as a constant. */
  listed(name: string, values: readonly number[]): string {
    return this.constant(name, integerTensor('', [...values]));
  }

  /** A constant under a name of its own, which begins with another's. */
  constant(name: string, tensor: TensorProto): string {
    const own = this.fresh(name);
    this.constants.set(own, changed(tensor, { name: own }));
    return own;
  }

  /** A name that nothing else has. */
  fresh(name: string): string {
    let own = `${name}/pixels`;
    while (this.#names.has(own)) own += "'";
    this.#names.add(own);
    return own;
  }
}
