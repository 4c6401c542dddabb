import { isEpsilon } from '../epsilon.js';
import type { MapStatistics } from '../network.js';
import { floatOf, type GraphNode, intOf, intsOf } from './graph.js';
import type { GraphLinks } from './graph-links.js';
import { float32Values, isFloatType, numberValues } from './tensor.js';

/** A normalisation by statistics of whole images, in several operators of a graph. */
export interface FoundMapNormalisation {
  readonly input: string;
  /** In the graph's order. */
  readonly nodes: readonly GraphNode[];
  readonly by: MapStatistics;
  readonly groups: number;
  readonly epsilon: number;
}

/**
 * Group normalisation as PyTorch's exporters write it, seen from its InstanceNormalization: over rows that hold a group
 * each, with scales of one and shifts of zero, and back to the map's own extents.
 */
export function groupNormalisation(node: GraphNode, links: GraphLinks): FoundMapNormalisation | undefined {
  const epsilon = floatOf(node, 'epsilon', 1e-5);
  const before = links.producer(node.inputs[0]!);
  const after = links.onlyReader(node);
  if (!isReshape(before) || !isReshape(after) || !isEpsilon(epsilon)) return undefined;
  const input = before.inputs[0]!;
  const rows = integersOf(before.inputs[1]!, links);
  const groups = rows?.[1];
  if (rows?.length !== 3 || groups === undefined || groups < 1 || rows[2] !== -1) return undefined;
  const plain = allAre(node.inputs[1]!, 1, links) && allAre(node.inputs[2]!, 0, links);
  if (!plain || !links.onlyReadBy(before, node)) return undefined;
  const shape = links.producer(after.inputs[1]!);
  const back = shape?.op === 'Shape' && shape.domain === '' && shape.attributes.size === 0;
  // Extents that are constants are compared where those of the map are known.
  if (!(back && shape.inputs[0] === input) && integersOf(after.inputs[1]!, links)?.length !== 4)
    return undefined;
  return { input, nodes: [before, node, after], by: 'moments', groups, epsilon };
}

/** `x · g / (mean(g) + epsilon)`, g the norms of the channels, seen from the operator that takes them. */
export function responseNormalisation(
  norms: GraphNode,
  links: GraphLinks,
): FoundMapNormalisation | undefined {
  const [input] = norms.inputs as [string];
  const reader = (node: GraphNode | undefined, op: string) => {
    const next = node && links.onlyReader(node);
    return next?.op === op && next.domain === '' ? next : undefined;
  };
  const [norm] = norms.outputs as [string];
  const mean = links.readersOf(norms).find(({ op }) => op === 'ReduceMean');
  const plus = reader(mean, 'Add');
  const quotient = reader(plus, 'Div');
  const product = reader(quotient, 'Mul');
  if (!mean || !plus || !quotient || !product || !links.onlyReadBy(norms, mean, quotient)) return undefined;
  const epsilon = links.scalar(plus.inputs.find((name) => name !== mean.outputs[0]) ?? '');
  const fits =
    reducedAxes(norms, links) === '2,3' &&
    reducedAxes(mean, links) === '1' &&
    quotient.inputs.join() === [norm, plus.outputs[0]].join() &&
    product.inputs.includes(input) &&
    product.inputs.includes(quotient.outputs[0]!);
  if (!fits || !isEpsilon(epsilon)) return undefined;
  return { input, nodes: [norms, mean, plus, quotient, product], by: 'response', groups: 1, epsilon };
}

const isReshape = (node: GraphNode | undefined): node is GraphNode =>
  node?.op === 'Reshape' && node.domain === '' && intOf(node, 'allowzero', 0) === 0;

function integersOf(name: string, { graph }: GraphLinks): readonly number[] | undefined {
  const tensor = graph.constants.get(name);
  return tensor && !isFloatType(tensor.dataType) ? numberValues(tensor) : undefined;
}

function allAre(name: string, wanted: number, { graph }: GraphLinks): boolean {
  const tensor = graph.constants.get(name);
  if (!tensor || !isFloatType(tensor.dataType)) return false;
  return float32Values(tensor).every((value) => value === wanted);
}

/** The axes of a map that an operator reduces and keeps as extents of 1, in their order. */
function reducedAxes(node: GraphNode, links: GraphLinks): string | undefined {
  const axes = intsOf(node, 'axes') ?? (node.inputs[1] ? integersOf(node.inputs[1], links) : undefined);
  if (intOf(node, 'keepdims', 1) !== 1) return undefined;
  return axes
    ?.map((axis) => (axis < 0 ? axis + 4 : axis))
    .sort((a, b) => a - b)
    .join();
}
