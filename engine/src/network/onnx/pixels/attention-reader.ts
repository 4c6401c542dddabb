import type { PixelAttention } from '../../network.js';
import { type GraphNode, intOf, intsOf } from '../graph.js';
import { attentionOperator } from './attention-operator.js';
import { matchAttention, type Weighing } from './match-attention.js';
import type { PixelGraph } from './pixel-graph.js';
import { countsOf, isPlain, type PixelView } from './pixel-view.js';

/** Operators that make attention of views of pixels: products of matrices, and what makes weights of them. */
export class AttentionReader {
  constructor(private readonly graph: PixelGraph) {}

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
    if (weights?.softened && right && isPlain(right)) {
      const { left: query, right: key, scale } = weights;
      if (query.positive || key.positive || query.one || key.one) return false;
      const how = { by: 'softmax', scale: scale * query.scale * key.scale, epsilon: 0 } as const;
      return this.#attend(node, { query, key, value: right }, how);
    }
    if (weights || !left) return false;
    if (right) {
      this.graph.products.set(output, { left, right, scale: 1, softened: false });
      return true;
    }
    if (!product || product.softened || product.scale !== 1) return false;
    this.graph.weighed.set(output, { query: left, product, part: 'all', epsilon: 0 });
    return true;
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
    if (!product || factor === undefined || product.softened) return false;
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
    const found = matchAttention({ key, value }, how);
    if (!found) return false;
    this.graph.sums.set(node.outputs[0]!, this.#attended(node, [key.map, value.map], found));
    return true;
  }

  #attend(
    node: GraphNode,
    views: { readonly query: PixelView; readonly key: PixelView; readonly value: PixelView },
    how: Weighing,
  ): boolean {
    const found = matchAttention(views, how);
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
    this.graph.put(attentionOperator(node.name, maps, map, attention));
    this.graph.replaced.add(node);
    this.graph.attentions++;
    return { ...output, map };
  }
}
