import { isEpsilon } from '../epsilon.js';
import { floatOf, type GraphNode, intOf, intsOf } from './graph.js';
import type { GraphLinks } from './graph-links.js';
import { numberValues } from './tensor.js';

/** A normalisation over the channels of each pixel, in several operators of a graph. */
export interface FoundNormalisation {
  readonly input: string;
  /** In the graph's order. */
  readonly nodes: readonly GraphNode[];
  /** The operator that it is called after. */
  readonly named: GraphNode;
  /** Where the channels are among the axes of the input. */
  readonly axis: number;
  readonly epsilon: number;
  /** Whether the mean is taken away. */
  readonly centred: boolean;
  /** Inputs of `named` that are scale and shift of channels, as far as it has them. */
  readonly parameters: readonly number[];
}

/**
 * A LayerNormalization or RMSNormalization between a transpose to channels last and one back, seen from the operator itself.
 * @param node any operator
 */
export function betweenTransposes(node: GraphNode, links: GraphLinks): FoundNormalisation | undefined {
  const found = layerNormalisation(node);
  if (!found || (found.axis !== -1 && found.axis !== 3)) return undefined;
  const { epsilon, centred } = found;
  const before = links.producer(node.inputs[0]!);
  const back = links.onlyReader(node);
  if (!before || !back || !turns(before, '0,2,3,1') || !turns(back, '0,3,1,2')) return undefined;
  const alone = links.onlyReadBy(before, node);
  return {
    input: before.inputs[0]!,
    nodes: [...(alone ? [before] : []), node, back],
    ...{ named: node, axis: 1, epsilon, centred, parameters: [1, 2] },
  };
}

/** What a LayerNormalization or RMSNormalization computes, if it is nothing else. */
export function layerNormalisation(
  node: GraphNode,
): { readonly epsilon: number; readonly axis: number; readonly centred: boolean } | undefined {
  const centred = node.op === 'LayerNormalization';
  if (!centred && node.op !== 'RMSNormalization') return undefined;
  if (node.domain !== '' || node.outputs.length !== 1) return undefined;
  const epsilon = floatOf(node, 'epsilon', 1e-5);
  return isEpsilon(epsilon) ? { epsilon, axis: intOf(node, 'axis', -1), centred } : undefined;
}

const turns = (node: GraphNode, perm: string) =>
  node.op === 'Transpose' && node.domain === '' && intsOf(node, 'perm')?.join() === perm;

/**
 * `(x − mean) / √(mean((x − mean)²) + epsilon)`, or the same without means, as exporters write it before ONNX had operators
 * for it, without scale and shift, seen from its Sqrt.
 */
export function spelledOutNormalisation(sqrt: GraphNode, links: GraphLinks): FoundNormalisation | undefined {
  const plus = sqrt.op === 'Sqrt' ? read(sqrt, 'Add', 0, links) : undefined;
  const quotient = plus && quotientOf(sqrt, links);
  if (!quotient) return undefined;
  const at = links.isConstant(plus.inputs[1]!) ? 1 : 0;
  const epsilon = links.scalar(plus.inputs[at]!);
  const variance = read(plus, 'ReduceMean', 1 - at, links);
  const square = read(variance, 'Pow', 0, links) ?? read(variance, 'Mul', 0, links);
  if (!isEpsilon(epsilon) || !variance || !square) return undefined;
  const [base, exponent] = square.inputs;
  if (square.op === 'Pow' ? links.scalar(exponent!) !== 2 : exponent !== base) return undefined;
  const { last, value } = quotient;
  const around =
    aroundMean(square, last, value, links) ??
    (base === value ? { input: value, means: [], nodes: [] } : undefined);
  if (!around) return undefined;
  const { input, means } = around;
  const axes = [...means, variance].map((node) => reducedAxis(node, links));
  const [axis] = axes;
  if (axis === undefined || axes.some((each) => each !== axis)) return undefined;
  if (![square, variance, plus].every((node) => links.onlyReader(node))) return undefined;
  const nodes = [...new Set([...around.nodes, square, variance, plus, sqrt, ...quotient.nodes])];
  nodes.sort((a, b) => a.position - b.position);
  const centred = means.length > 0;
  return { input, nodes, named: last, axis, epsilon, centred, parameters: [] };
}

/** The operator that writes an input of another, if it is that. */
function read(
  node: GraphNode | undefined,
  op: string,
  input: number,
  links: GraphLinks,
): GraphNode | undefined {
  const producer = node && links.producer(node.inputs[input]!);
  return producer?.op === op && producer.domain === '' ? producer : undefined;
}

/** A value divided by a root, or times one over it. */
function quotientOf(
  sqrt: GraphNode,
  links: GraphLinks,
): { readonly value: string; readonly last: GraphNode; readonly nodes: readonly GraphNode[] } | undefined {
  const [root] = sqrt.outputs;
  const next = links.onlyReader(sqrt);
  if (next?.domain !== '') return undefined;
  const divides = next.op === 'Div' && next.inputs[1] === root;
  if (divides && !links.isConstant(next.inputs[0]!))
    return { value: next.inputs[0]!, last: next, nodes: [next] };
  if (next.op !== 'Reciprocal' && !(divides && links.scalar(next.inputs[0]!) === 1)) return undefined;
  const last = links.onlyReader(next);
  const value = last?.inputs.find((name) => name !== next.outputs[0]);
  if (last?.op !== 'Mul' || last.domain !== '' || value === undefined) return undefined;
  return { value, last, nodes: [next, last] };
}

/**
 * What is squared and divided, less its mean: one difference, or two of the same.
 * @param value what is divided
 */
function aroundMean(square: GraphNode, last: GraphNode, value: string, links: GraphLinks) {
  const centred = read(square, 'Sub', 0, links);
  const again = read(last, 'Sub', last.inputs.indexOf(value), links);
  const [mean, other] = [read(centred, 'ReduceMean', 1, links), read(again, 'ReduceMean', 1, links)];
  const input = centred?.inputs[0];
  if (!centred || !again || !mean || !other || input === undefined) return undefined;
  if ([again, mean, other].some((node) => node.inputs[0] !== input)) return undefined;
  const inside =
    links.onlyReadBy(mean, centred, again) &&
    links.onlyReadBy(other, centred, again) &&
    links.onlyReadBy(centred, square, last) &&
    links.onlyReadBy(again, square, last);
  return inside ? { input, means: [mean, other], nodes: [mean, other, centred, again] } : undefined;
}

/** The one axis that a mean is taken over, and keeps. */
function reducedAxis(node: GraphNode, { graph }: GraphLinks): number | undefined {
  const given = node.inputs[1] ? graph.constants.get(node.inputs[1]) : undefined;
  const axes = given ? numberValues(given) : intsOf(node, 'axes');
  return axes?.length === 1 && intOf(node, 'keepdims', 1) === 1 ? axes[0] : undefined;
}
