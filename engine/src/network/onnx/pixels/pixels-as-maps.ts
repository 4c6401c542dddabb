import type { Budget } from '../budget.js';
import { type Graph, type GraphNode, intsOf } from '../graph.js';
import type { Inference } from '../infer-shapes.js';
import { madeOperator } from '../made-operator.js';
import { pointwiseOperators } from '../pointwise-operators.js';
import { AttentionReader } from './attention-reader.js';
import { MapOperators } from './map-operators.js';
import { OtherOrders } from './other-orders.js';
import { PixelGraph } from './pixel-graph.js';
import {
  countsOf,
  isChannels,
  isComplete,
  isMap,
  isPlain,
  type PixelView,
  sameOrder,
  transposed,
} from './pixel-view.js';
import { isRowByRow, TokenMaps } from './token-maps.js';

/**
 * Writes attention over pixels, and what stands around it on matrices of pixels, as operators on maps: linear layers as 1x1
 * convolutions, the attention itself as one operator. Reshapes and transposes between them are gone then, and the network
 * is one of maps, of any size (MobileViT, EfficientViT and others).
 * @param inference shapes of all values, for one image
 * @param tokens whether matrices whose rows are no pixels of a map (with a class token, or in windows) become maps as well,
 *   so that linear layers are 1x1 convolutions around attention that is left to onnxruntime
 * @returns undefined where it has no such attention or tokens, or where parts of it would be computed twice
 */
export function withPixelsAsMaps(
  graph: Graph,
  inference: Inference,
  budget: Budget,
  tokens: boolean,
): Graph | undefined {
  if (!graph.nodes.some(({ op, domain }) => domain === '' && attending.has(op))) return undefined;
  return new PixelReader(new PixelGraph(graph, inference, budget), tokens).written();
}

/** No attention does without one of them. */
const attending = new Set(['Softmax', 'MatMul']);
const renaming = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);
const passing = new Set(['Identity', 'Cast', 'Dropout']);

/** Reads a graph operator by operator. */
class PixelReader {
  readonly #orders: OtherOrders;
  readonly #attention: AttentionReader;
  readonly #maps: MapOperators;
  readonly #tokens: TokenMaps;

  constructor(
    private readonly graph: PixelGraph,
    tokens: boolean,
  ) {
    this.#orders = new OtherOrders(graph);
    this.#attention = new AttentionReader(graph);
    this.#tokens = new TokenMaps(graph, tokens);
    this.#maps = new MapOperators(graph, this.#tokens);
  }

  /** The graph on maps; undefined where it has no attention over pixels, or something would be computed twice. */
  written(): Graph | undefined {
    const { graph } = this;
    for (const node of graph.source.nodes) {
      if (node.domain === '' && this.#read(node)) this.#keep(node);
      else graph.nodes.push(node);
    }
    if (graph.attentions + this.#tokens.made === 0) return undefined;
    const read = new Set(graph.source.outputs);
    const nodes = graph.nodes
      .reverse()
      .filter((node) => {
        if (!node.outputs.some((name) => read.has(name))) return false;
        for (const name of [...node.inputs, ...node.captured]) read.add(name);
        return true;
      })
      .reverse();
    if (nodes.some((node) => graph.replaced.has(node))) return undefined;
    nodes.forEach((node, position) => {
      node.position = position;
    });
    return { ...graph.source, nodes, constants: graph.constants };
  }

  /** Puts the maps that an operator's values are in the place of it where they are whole, and else keeps it for other readers. */
  #keep(node: GraphNode): void {
    const { graph } = this;
    if (graph.gone.has(node)) return;
    const whole = node.outputs.every((name) => {
      const view = graph.views.get(name);
      return view && isMap(view);
    });
    if (!whole) {
      if (!graph.replaced.has(node) || !this.#tokens.write(node)) graph.nodes.push(node);
      return;
    }
    for (const name of node.outputs) {
      graph.put(madeOperator('Identity', node.name, [graph.views.get(name)!.map], name));
      graph.views.delete(name);
    }
  }

  /** Whether an operator's output is a view of a map, or on the way to one. */
  #read(node: GraphNode): boolean {
    const { op, inputs, outputs } = node;
    if (passing.has(op)) return this.#orders.pass(node);
    if (op === 'Split') return this.#orders.split(node);
    if (outputs.length !== 1) return false;
    const x = this.graph.view(inputs[0]!);
    switch (op) {
      case 'Slice':
        if (this.#attention.columns(node)) return true;
        return x !== undefined && (this.#orders.slice(node, x) || this.#maps.everyNth(node, x));
      case 'Softmax':
        return this.#attention.softmax(node, x);
      case 'MatMul':
        return this.graph.constants.has(inputs[1]!)
          ? this.#maps.linear(node, x)
          : this.#attention.matMul(node, x);
      case 'Mul':
      case 'Div':
      case 'Add':
      case 'Sub':
        return inputs.length === 2 && this.#arithmetic(node);
      case 'Concat':
        return this.graph.define(node, this.#orders.rolled(node));
      case 'ReduceSum':
        return this.#attention.contextSum(node);
      case 'Expand': {
        const sum = this.graph.sums.get(inputs[0]!);
        const fits = sum && countsOf(sum).join() === this.graph.dims(outputs[0]!)?.join();
        return fits ? this.graph.define(node, sum) : false;
      }
      case 'LayerNormalization':
      case 'RMSNormalization':
        return this.#maps.layerNormalised(node, x);
      case 'Gemm':
        return this.#maps.gemm(node, x);
      case 'Transpose':
        return this.#attention.turned(node) || (x !== undefined && this.#readView(node, x));
      case 'Reshape':
      case 'Squeeze':
      case 'Unsqueeze':
        if (this.graph.products.has(inputs[0]!)) return this.#attention.renamed(node);
        return x !== undefined && this.#readView(node, x);
      default:
        return x !== undefined && this.#readView(node, x);
    }
  }

  /** Of operators that read a view and constants alone. */
  #readView(node: GraphNode, x: PixelView): boolean {
    const { op, inputs } = node;
    if (renaming.has(op)) return this.graph.define(node, this.#orders.renamed(node, x));
    switch (op) {
      case 'Transpose': {
        const backwards = x.dimensions.map((_, axis, { length }) => length - 1 - axis);
        return this.graph.define(node, transposed(x, intsOf(node, 'perm') ?? backwards));
      }
      case 'Gather':
        return this.graph.define(node, this.#orders.gathered(node, x));
      case 'Pad':
        return this.graph.define(node, this.#orders.padded(node, x));
      case 'InstanceNormalization':
      case 'GroupNormalization':
        return this.#maps.groupNormalised(node, x);
      case 'BatchNormalization':
        return isChannels(x.dimensions[1], x) && this.#maps.onMaps(node, [x], inputs.slice(1));
      case 'Conv':
        return this.#maps.convolved(node, x);
      case 'ReduceMean':
        return this.#maps.pooled(node, x);
    }
    // Queries and keys are made positive where they are read.
    if (op === 'Relu' && !isComplete(x) && isPlain(x))
      return this.graph.define(node, { ...x, positive: true });
    return pointwiseOperators.has(op) && this.#maps.onMaps(node, [x], inputs.slice(1));
  }

  #arithmetic(node: GraphNode): boolean {
    const [a, b] = node.inputs as [string, string];
    const { graph } = this;
    const [given, other] = graph.scalar(a) === undefined ? [a, b] : [b, a];
    const number = graph.scalar(other);
    if (number !== undefined && !(node.op === 'Div' && other === a))
      return this.#withNumber(node, given, number);
    if (this.#attention.added(node)) return true;
    if (this.#attention.quotient(node) || this.#attention.weighedValues(node)) return true;
    const [x, y] = [a, b].map((name) => graph.view(name) ?? graph.sums.get(name));
    if (x && y && sameOrder(x, y) && this.#maps.onMaps(node, [x, y], [])) return true;
    if (!graph.constants.has(a) && !graph.constants.has(b)) return this.#ofTokens(node);
    const view = x ?? y;
    const constant = view && !isMap(view) ? this.#maps.channelConstant(x ? b : a, view) : undefined;
    return view !== undefined && constant !== undefined && this.#maps.onMaps(node, [view], [constant], !x);
  }

  /** Two values of tokens, one of which at least is known to be such. */
  #ofTokens(node: GraphNode): boolean {
    const dims = this.graph.dims(node.outputs[0]!)?.join();
    const fits = (name: string) => this.graph.dims(name)?.join() === dims;
    const known = (name: string) => {
      const view = this.graph.views.get(name);
      return view !== undefined && isChannels(view.dimensions.at(-1), view);
    };
    if (!node.inputs.every(fits) || !node.inputs.some(known)) return false;
    const [like] = node.inputs
      .flatMap((name) => this.graph.views.get(name) ?? [])
      .filter(isRowByRow)
      .sort((a, b) => b.extents[1] - a.extents[1]);
    const [x, y] = node.inputs.map((name) => this.#tokens.of(name, like));
    return x !== undefined && y !== undefined && this.#maps.onMaps(node, [x, y], []);
  }

  /** A value and a number, which is a factor of views and products, or stands beside the weights of pixels. */
  #withNumber(node: GraphNode, name: string, number: number): boolean {
    const { op } = node;
    const { graph } = this;
    const factor = op === 'Mul' ? number : op === 'Div' ? 1 / number : undefined;
    if (this.#attention.withNumber(node, name, factor, number)) return true;
    // A map of the graph itself may as well be scaled where it is.
    const view = graph.views.get(name);
    if (!view || view.one) return false;
    if (factor !== undefined) return graph.define(node, { ...view, scale: view.scale * factor });
    const other = node.inputs.find((input) => input !== name) ?? name;
    return this.#maps.onMaps(node, [view], [other], node.inputs[0] !== name);
  }
}
