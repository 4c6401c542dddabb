import { type Graph, type GraphNode, intsOf } from './graph.js';
import { madeOperator } from './made-operator.js';
import { numberValues } from './tensor.js';

/**
 * Padding by nothing, which PyTorch traces where windows divide a map's sides, as operators that pass their input on.
 * Whatever follows then reads the map itself.
 */
export function withoutEmptyPadding(graph: Graph): Graph {
  const isEmpty = (node: GraphNode) => {
    if (node.op !== 'Pad' || node.domain !== '') return false;
    const tensor = graph.constants.get(node.inputs[1] ?? '');
    const pads = tensor ? numberValues(tensor) : intsOf(node, 'pads');
    return pads !== undefined && pads.length > 0 && pads.every((pad) => pad === 0);
  };
  if (!graph.nodes.some(isEmpty)) return graph;
  const passing = ({ name, inputs, outputs, position }: GraphNode) =>
    Object.assign(madeOperator('Identity', name, [inputs[0]!], outputs[0]!), { position });
  return { ...graph, nodes: graph.nodes.map((node) => (isEmpty(node) ? passing(node) : node)) };
}
