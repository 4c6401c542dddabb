import { changed } from './changed.js';
import type { GraphProto, NodeProto, SparseTensorProto } from './generated/onnx_pb.js';

/** What values are called elsewhere, and what stands before the names of operators there. */
interface Names {
  readonly rename: (value: string) => string;
  readonly prefix: string;
}

/** An operator on values of other names, also inside graphs of its own (If, Loop, Scan), which read those around them. */
export function renamedNode(node: NodeProto, names: Names): NodeProto {
  return changed(node, {
    name: node.name === '' ? '' : `${names.prefix}/${node.name}`,
    input: node.input.map(names.rename),
    output: node.output.map(names.rename),
    attribute: node.attribute.map((attribute) =>
      changed(attribute, {
        ...(attribute.g ? { g: renamedGraph(attribute.g, names) } : {}),
        graphs: attribute.graphs.map((graph) => renamedGraph(graph, names)),
      }),
    ),
  });
}

function renamedGraph(graph: GraphProto, names: Names): GraphProto {
  const named = <T extends { name: string }>(value: T): T =>
    changed(value, { name: names.rename(value.name) } as Partial<T>);
  const sparse = (tensor: SparseTensorProto) =>
    tensor.values ? changed(tensor, { values: named(tensor.values) }) : tensor;
  return changed(graph, {
    node: graph.node.map((node) => renamedNode(node, names)),
    initializer: graph.initializer.map(named),
    sparseInitializer: graph.sparseInitializer.map(sparse),
    input: graph.input.map(named),
    output: graph.output.map(named),
    valueInfo: graph.valueInfo.map(named),
  });
}
