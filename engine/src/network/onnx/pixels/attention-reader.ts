import type { PixelAttention } from '../../pixel-attention.js';
import { type GraphNode, intOf, intsOf } from '../graph.js';
import { dimsOf, floatTensor, isFloatType } from '../tensor.js';
import type { Added } from './added-products.js';
import { attentionOperator } from './attention-operator.js';
import { matchAttention, type Weighing } from './match-attention.js';
import type { PixelGraph, Product } from './pixel-graph.js';
import { asColumns, countsOf, isPlain, type PixelView, reshaped } from './pixel-view.js';

/** Operators that make attention of views of pixels: products of matrices, and what makes weights of them. */
export class AttentionReader {
  constructor(private readonly graph: PixelGraph) {}

  /** A constant added to products. */
  added(node: GraphNode): boolean {
    const [a, b] = node.inputs as [string, string];
    const product = this.graph.products.get(a) ?? this.graph.products.get(b);
    const values = this.graph.constants.get(a) ?? this.graph.constants.get(b);
    const dims = this.graph.dims(node.outputs[0]!);
    if (node.op !== 'Add' || !product || product.softened || !values || !isFloatType(values.dataType))
      return false;
    const own = dimsOf(values);
    const rank = product.left.dimensions.length;
    if (dims?.length !== rank || own.length > rank) return false;
    const all = [...Array.from({ length: rank - own.length }, () => 1), ...own];
    const added: Added = { values, dims: all, outer: product.left.dimensions.slice(0, -2) };
    this.graph.products.set(node.outputs[0]!, { ...product, added: [...product.added, added] });
    return true;
  }

  /** Products whose extents before the last two are cut or joined in another way. */
  renamed(node: GraphNode): boolean {
    const product = this.graph.products.get(node.inputs[0]!);
    const dims = this.graph.dims(node.outputs[0]!);
    if (!product || product.turned || !dims || dims.length < 2) return false;
    const [outer, rows, columns] = [dims.slice(0, -2), dims.at(-2)!, dims.at(-1)!];
    const [leftCounts, rightCounts] = [countsOf(product.left), countsOf(product.right)];
    if (leftCounts.at(-2) !== rows || rightCounts.at(-1) !== columns) return false;
    const left = reshaped(product.left, [...outer, rows, leftCounts.at(-1)!]);
    const right = reshaped(product.right, [...outer, rightCounts.at(-2)!, columns]);
    if (!left || !right) return false;
    this.graph.products.set(node.outputs[0]!, { ...product, left, right });
    return true;
  }

  /** The columns of values, or the last one, of what queries and keys weigh. */
  columns(node: GraphNode): boolean {
    const weighed = this.graph.weighed.get(node.inputs[0]!);
    const cut = this.graph.sliceOf(node);
    if (!weighed || !cut) return false;
    const { axis, start, end } = cut;
    const extents = countsOf(weighed.product.right);
    const [rank, width] = [extents.length, extents.at(-1)!];
    const from = start < 0 ? start + width + 1 : start;
    const to = Math.min(end < 0 ? end + width + 1 : end, width + 1);
    if ((axis !== -1 && axis !== rank - 1) || weighed.part !== 'all') return false;
    const part =
      from === 0 && to === width ? 'values' : from === width && to === width + 1 ? 'total' : undefined;
    if (part) this.graph.weighed.set(node.outputs[0]!, { ...weighed, part });
    return part !== undefined;
  }

  /** Weights of products, or of the keys of a context. */
  softmax(node: GraphNode, view: PixelView | undefined): boolean {
    const product = this.graph.products.get(node.inputs[0]!);
    const rank = this.graph.dims(node.outputs[0]!)?.length ?? 0;
    const axis = intOf(node, 'axis', -1);
    if (axis !== -1 && axis !== rank - 1) return false;
    if (product && !product.softened) {
      this.graph.products.set(node.outputs[0]!, { ...product, softened: true });
      return true;
    }
    if (!view || view.positive || view.one) return false;
    this.graph.contexts.set(node.outputs[0]!, { key: view });
    return true;
  }

  /** Products of queries and keys, of those and values, and of keys and values. */
  matMul(node: GraphNode, left: PixelView | undefined): boolean {
    const [a, b] = node.inputs as [string, string];
    const output = node.outputs[0]!;
    const [weights, right, product] = [
      this.graph.products.get(a),
      this.graph.view(b),
      this.graph.products.get(b),
    ];
    if (product?.turned && left && isPlain(left)) return this.#weigh(node, product, left);
    if (weights?.softened && !weights.turned && right && isPlain(right)) {
      return this.#weigh(node, weights, right);
    }
    if (weights || !left) return false;
    if (right) {
      this.graph.products.set(output, { left, right, scale: 1, added: [], softened: false, turned: false });
      return true;
    }
    if (!product || product.softened || product.scale !== 1 || product.added.length > 0) return false;
    this.graph.weighed.set(output, { query: left, product, part: 'all', epsilon: 0 });
    return true;
  }

  /** Weights as columns. */
  turned(node: GraphNode): boolean {
    const product = this.graph.products.get(node.inputs[0]!);
    const order = intsOf(node, 'perm') ?? [];
    const last = order.length - 1;
    const swaps = order.every((axis, i) => axis === (i === last ? i - 1 : i === last - 1 ? i + 1 : i));
    if (!product?.softened || product.turned || order.length < 2 || !swaps) return false;
    this.graph.products.set(node.outputs[0]!, { ...product, turned: true });
    return true;
  }

  /**
   * Values that softened products weigh.
   * @param value as columns where the weights are
   */
  #weigh(
    node: GraphNode,
    { left: query, right: key, scale, added, turned }: Product,
    value: PixelView,
  ): boolean {
    if (query.positive || key.positive || query.one || key.one) return false;
    const how = { by: 'softmax', scale: scale * query.scale * key.scale, epsilon: 0 } as const;
    if (!turned) return this.#attend(node, { query, key, value }, how, added);
    const rows = asColumns(value);
    if (!rows || !this.#attend(node, { query, key, value: rows }, how, added)) return false;
    return this.graph.define(node, asColumns(this.graph.views.get(node.outputs[0]!)!));
  }

  /** Keys as rows of channels times values with a column of ones; queries times that; divided by its last column. */
  quotient(node: GraphNode): boolean {
    const [left, right] = node.inputs.map((name) => this.graph.weighed.get(name));
    if (node.op !== 'Div' || left?.part !== 'values' || right?.part !== 'total') return false;
    const { query, product, epsilon } = right;
    const { left: key, right: value } = product;
    const positive = [query, key].every((view) => view.positive && view.scale === 1 && !view.one);
    if (left.product !== product || left.query !== query || !positive) return false;
    if (!value.one || value.positive || value.scale !== 1) return false;
    return this.#attend(node, { query, key, value }, { by: 'linear', scale: 1, epsilon });
  }

  /** Values times the weights of a context. */
  weighedValues(node: GraphNode): boolean {
    const [a, b] = node.inputs as [string, string];
    const [context, times] = this.graph.contexts.has(a)
      ? [this.graph.contexts.get(a), b]
      : [this.graph.contexts.get(b), a];
    const value = this.graph.view(times);
    if (node.op !== 'Mul' || !context || context.value || !value || !isPlain(value)) return false;
    this.graph.contexts.set(node.outputs[0]!, { ...context, value });
    return true;
  }

  /**
   * A number added to a sum of weights, or a factor of products.
   * @param factor what it multiplies with, if it does
   */
  withNumber({ op, outputs }: GraphNode, name: string, factor: number | undefined, number: number): boolean {
    const output = outputs[0]!;
    const weighed = this.graph.weighed.get(name);
    if (weighed?.part === 'total' && op === 'Add') {
      this.graph.weighed.set(output, { ...weighed, epsilon: weighed.epsilon + number });
      return true;
    }
    const product = this.graph.products.get(name);
    if (!product || factor === undefined || product.softened || product.added.length > 0) return false;
    this.graph.products.set(output, { ...product, scale: product.scale * factor });
    return true;
  }

  /** The sum of a context's values. */
  contextSum(node: GraphNode): boolean {
    const { key, value } = this.graph.contexts.get(node.inputs[0]!) ?? {};
    const axes = intsOf(node, 'axes') ?? this.graph.integers(node, 1);
    if (!key || !value || axes?.length !== 1 || intOf(node, 'keepdims', 1) !== 1) return false;
    if (axes[0] !== -1 && axes[0] !== value.dimensions.length - 1) return false;
    const how = { by: 'context', scale: key.scale, epsilon: 0 } as const;
    const found = matchAttention({ key, value }, how, [], this.graph.budget);
    if (!found) return false;
    this.graph.sums.set(node.outputs[0]!, this.#attended(node, [key.map, value.map], found));
    return true;
  }

  #attend(
    node: GraphNode,
    views: { readonly query: PixelView; readonly key: PixelView; readonly value: PixelView },
    how: Weighing,
    added: readonly Added[] = [],
  ): boolean {
    const found = matchAttention(views, how, added, this.graph.budget);
    return found
      ? this.graph.define(
          node,
          this.#attended(node, [views.query.map, views.key.map, views.value.map], found),
        )
      : false;
  }

  #attended(
    node: GraphNode,
    maps: readonly string[],
    { attention, output }: { readonly attention: PixelAttention; readonly output: Omit<PixelView, 'map'> },
  ): PixelView {
    const map = this.graph.fresh(node.outputs[0]!);
    const { bias } = attention;
    const constants = bias
      ? [this.graph.constant(node.outputs[0]!, floatTensor('', [bias.values.length], bias.values))]
      : [];
    this.graph.put(attentionOperator(node.name, [...maps, ...constants], map, attention));
    this.graph.replaced.add(node);
    this.graph.attentions++;
    return { ...output, map };
  }
}
