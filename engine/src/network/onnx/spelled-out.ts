import type { Activation } from '../activation.js';
import type { Graph, GraphNode } from './graph.js';
import { GraphLinks } from './graph-links.js';
import {
  type FoundMapNormalisation,
  groupNormalisation,
  responseNormalisation,
} from './map-normalisations.js';
import { near } from './near.js';
import { betweenTransposes, type FoundNormalisation, spelledOutNormalisation } from './normalisations.js';

/** An activation that a graph spells out in several operators. */
interface SpelledOutActivation {
  readonly activation: Activation;
  /** The value that it is of. */
  readonly input: string;
  /** The operators, in the graph's order. */
  readonly nodes: readonly GraphNode[];
}

/** What a graph spells out in several operators, and the engine computes in one. */
export type SpelledOut = SpelledOutActivation | FoundNormalisation | FoundMapNormalisation;

/**
 * Mish and GELU as exporters write them before ONNX had operators for them: `x · tanh(softplus(x))`,
 * `x / 2 · (1 + erf(x / √2))` and `x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`, their factors in any order; and
 * normalisations, over the channels of each pixel or of whole maps.
 * @returns by each of their operators
 */
export function spelledOut(graph: Graph): ReadonlyMap<GraphNode, SpelledOut> {
  const found = new Map<GraphNode, SpelledOut>();
  const links = new GraphLinks(graph);
  const matcher = new Matcher(links);
  const matchOf = (node: GraphNode): SpelledOut | undefined => {
    switch (node.domain === '' ? node.op : '') {
      case 'Erf':
      case 'Tanh':
        return matcher.match(node);
      case 'Sqrt':
        return spelledOutNormalisation(node, links);
      case 'InstanceNormalization':
        return groupNormalisation(node, links);
      case 'ReduceL2':
        return responseNormalisation(node, links);
      case 'LayerNormalization':
      case 'RMSNormalization':
        return betweenTransposes(node, links);
    }
    return undefined;
  };
  for (const start of graph.nodes) {
    const match = matchOf(start);
    if (!match || match.nodes.some((node) => found.has(node))) continue;
    for (const node of match.nodes) found.set(node, match);
  }
  return found;
}

/** A product's constant factor, the values in it, and the operators that make it. */
interface Product {
  readonly factor: number;
  readonly values: readonly string[];
  readonly nodes: readonly GraphNode[];
}

/** Operators that a spelled-out activation may have on the way to its last one. */
const mostSteps = 4;

class Matcher {
  constructor(private readonly links: GraphLinks) {}

  /** @param start the Erf or Tanh in the middle */
  match(start: GraphNode): SpelledOutActivation | undefined {
    const argument = start.inputs[0]!;
    const softplus = this.links.producer(argument);
    if (start.op === 'Tanh' && softplus?.op === 'Softplus') {
      const last = this.links.onlyReader(start);
      const [x] = softplus.inputs;
      if (last?.op !== 'Mul' || !this.links.onlyReader(softplus)) return undefined;
      return last.inputs.includes(x!) ? this.found('mish', x!, [softplus, start, last]) : undefined;
    }
    const inner = start.op === 'Erf' ? this.erfArgument(argument) : this.tanhArgument(argument);
    const plus = inner && this.links.onlyReader(start);
    const one = plus?.op === 'Add' ? this.constantOf(plus) : undefined;
    if (!inner || !plus || !near(one, 1)) return undefined;
    const value = plus.outputs[0]!;
    let last = this.links.onlyReader(plus);
    for (let step = 0; step < mostSteps && last?.op === 'Mul'; step++) {
      const { factor, values, nodes } = this.product(last.outputs[0]!, inner.x, true);
      const pair = values.length === 2 && values.includes(inner.x) && values.includes(value);
      if (pair && near(factor, 0.5)) {
        const kind = start.op === 'Erf' ? 'gelu' : 'gelu-tanh';
        return this.found(kind, inner.x, [...inner.nodes, start, plus, ...nodes]);
      }
      last = this.links.onlyReader(last);
    }
    return undefined;
  }

  private erfArgument(value: string): { x: string; nodes: readonly GraphNode[] } | undefined {
    const node = this.links.producer(value);
    if (node?.op !== 'Mul' && node?.op !== 'Div') return undefined;
    const { factor, values, nodes } = this.product(
      value,
      node.inputs.find((name) => !this.links.isConstant(name)),
    );
    return values.length === 1 && near(factor, Math.SQRT1_2) ? { x: values[0]!, nodes } : undefined;
  }

  private tanhArgument(value: string): { x: string; nodes: readonly GraphNode[] } | undefined {
    const outer = this.product(value);
    const sum = outer.values.length === 1 ? this.links.producer(outer.values[0]!) : undefined;
    if (sum?.op !== 'Add' || !near(outer.factor, Math.sqrt(2 / Math.PI)) || !this.links.onlyReader(sum))
      return undefined;
    for (const [x, cube] of [sum.inputs, [...sum.inputs].reverse()] as [string, string][]) {
      const { factor, values, nodes } = this.product(cube, x);
      if (values.length !== 3 || values.some((name) => name !== x) || !near(factor, 0.044715)) continue;
      return { x, nodes: [...outer.nodes, sum, ...nodes] };
    }
    return undefined;
  }

  /** Expands the factors of a value, through values without other readers, as far as `x`. */
  private product(value: string, x?: string, whole = false): Product {
    const node = this.links.producer(value);
    const alone: Product = { factor: 1, values: [value], nodes: [] };
    if (!node || value === x || node.domain !== '' || (!whole && !this.links.onlyReader(node))) return alone;
    const [a, b] = node.inputs as [string, string];
    if (node.op === 'Pow' && a === x && near(this.links.scalar(b), 3)) {
      return { factor: 1, values: [a, a, a], nodes: [node] };
    }
    if (node.op === 'Div' && this.links.scalar(b) !== undefined) {
      const of = this.product(a, x);
      return { ...of, factor: of.factor / this.links.scalar(b)!, nodes: [...of.nodes, node] };
    }
    if (node.op !== 'Mul') return alone;
    const sides = [a, b].map((side) => {
      const constant = this.links.scalar(side);
      return constant === undefined ? this.product(side, x) : { factor: constant, values: [], nodes: [] };
    });
    return {
      factor: sides[0]!.factor * sides[1]!.factor,
      values: sides.flatMap(({ values }) => values),
      nodes: [...sides.flatMap(({ nodes }) => nodes), node],
    };
  }

  /** The constant operand of an operator of two. */
  private constantOf({ inputs }: GraphNode): number | undefined {
    return this.links.scalar(inputs[0]!) ?? this.links.scalar(inputs[1]!);
  }

  private found(activation: Activation, input: string, nodes: readonly GraphNode[]): SpelledOutActivation {
    const inOrder = [...new Set(nodes)].sort((a, b) => a.position - b.position);
    return { activation, input, nodes: inOrder };
  }
}
