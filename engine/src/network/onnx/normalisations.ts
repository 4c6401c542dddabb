import { isEpsilon } from '../normalisation.js';
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
  /** Inputs of `named` that are scale and shift of channels, as far as it has them. */
  readonly parameters: readonly number[];
}

/**
 * A LayerNormalization between a transpose to channels last and one back, seen from the operator itself.
 * @param node any operator
 */
export function betweenTransposes(node: GraphNode, links: GraphLinks): FoundNormalisation | undefined {
  const { epsilon, axis } = layerNormalisation(node) ?? {};
  if (epsilon === undefined || (axis !== -1 && axis !== 3)) return undefined;
  const before = links.producer(node.inputs[0]!);
  const back = links.onlyReader(node);
  if (!before || !back || !turns(before, '0,2,3,1') || !turns(back, '0,3,1,2')) return undefined;
  const alone = links.onlyReadBy(before, node);
  return {
    input: before.inputs[0]!,
    nodes: [...(alone ? [before] : []), node, back],
    ...{ named: node, axis: 1, epsilon, parameters: [1, 2] },
  };
}

/** Epsilon and axis of a LayerNormalization that computes nothing else. */
export function layerNormalisation(
  node: GraphNode,
): { readonly epsilon: number; readonly axis: number } | undefined {
  if (node.op !== 'LayerNormalization' || node.domain !== '' || node.outputs.length !== 1) return undefined;
  const epsilon = floatOf(node, 'epsilon', 1e-5);
  return isEpsilon(epsilon) ? { epsilon, axis: intOf(node, 'axis', -1) } : undefined;
}

const turns = (node: GraphNode, perm: string) =>
  node.op === 'Transpose' && node.domain === '' && intsOf(node, 'perm')?.join() === perm;

/**
 * `(x − mean) / √(mean((x − mean)²) + epsilon)`, as exporters write it before ONNX had an operator for it, without scale
 * and shift, seen from its Sqrt.
 */
export function spelledOutNormalisation(sqrt: GraphNode, links: GraphLinks): FoundNormalisation | undefined {
  const read = (node: GraphNode | undefined, op: string, input = 0) => {
    const producer = node && links.producer(node.inputs[input]!);
    return producer?.op === op && producer.domain === '' ? producer : undefined;
  };
  const plus = read(sqrt, 'Add');
  const last = links.onlyReader(sqrt);
  if (sqrt.op !== 'Sqrt' || !plus || last?.op !== 'Div' || last.inputs[1] !== sqrt.outputs[0])
    return undefined;
  const at = links.isConstant(plus.inputs[1]!) ? 1 : 0;
  const epsilon = links.scalar(plus.inputs[at]!);
  const variance = read(plus, 'ReduceMean', 1 - at);
  const square = read(variance, 'Pow') ?? read(variance, 'Mul');
  if (!isEpsilon(epsilon) || !variance || !square) return undefined;
  const [base, exponent] = square.inputs;
  if (square.op === 'Pow' ? links.scalar(exponent!) !== 2 : exponent !== base) return undefined;
  // Both differences are one, or two of the same.
  const [centred, again] = [read(square, 'Sub'), read(last, 'Sub')];
  const mean = read(centred, 'ReduceMean', 1);
  const input = centred?.inputs[0];
  if (!centred || !again || !mean || input === undefined || mean.inputs[0] !== input) return undefined;
  const other = read(again, 'ReduceMean', 1);
  if (again.inputs[0] !== input || !other || other.inputs[0] !== input) return undefined;
  const axes = [mean, other, variance].map((node) => reducedAxis(node, links));
  const [axis] = axes;
  if (axis === undefined || axes.some((each) => each !== axis)) return undefined;
  const inside =
    links.onlyReadBy(mean, centred, again) &&
    links.onlyReadBy(other, centred, again) &&
    links.onlyReadBy(centred, square, last) &&
    links.onlyReadBy(again, square, last) &&
    [square, variance, plus].every((node) => links.onlyReader(node));
  if (!inside) return undefined;
  const nodes = [...new Set([mean, other, centred, again, square, variance, plus, sqrt, last])];
  nodes.sort((a, b) => a.position - b.position);
  return { input, nodes, named: last, axis, epsilon, parameters: [] };
}

/** The one axis that a mean is taken over, and keeps. */
function reducedAxis(node: GraphNode, { graph }: GraphLinks): number | undefined {
  const given = node.inputs[1] ? graph.constants.get(node.inputs[1]) : undefined;
  const axes = given ? numberValues(given) : intsOf(node, 'axes');
  return axes?.length === 1 && intOf(node, 'keepdims', 1) === 1 ? axes[0] : undefined;
}
