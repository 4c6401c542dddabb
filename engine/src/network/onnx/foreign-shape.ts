import { fromBinary } from '@bufbuild/protobuf';
import type { ForeignNode } from '../network.js';
import { ModelProtoSchema } from './generated/onnx_pb.js';
import { type Graph, readGraph } from './graph.js';
import { type Dims, inferShapes } from './infer.js';

type NHWC = readonly [N: number, H: number, W: number, C: number];

/** Models decoded once; weights inside them stay views. */
const graphs = new WeakMap<Uint8Array, Graph>();

function graphOf(node: ForeignNode): Graph {
  let graph = graphs.get(node.model);
  if (!graph) {
    graph = readGraph(fromBinary(ModelProtoSchema, node.model), node.name);
    graphs.set(node.model, graph);
  }
  return graph;
}

/** ONNX's operator set that a foreign node's operators belong to. */
export function foreignOpset(node: ForeignNode): number {
  return Number(
    graphOf(node).opsets.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 1,
  );
}

/**
 * Extents that a foreign node writes, in ONNX's order.
 * @param inputs shapes of what it reads; undefined where unknown
 * @returns undefined when an operator inside is not one whose shape can be inferred
 */
export function foreignDims(node: ForeignNode, inputs: readonly (NHWC | undefined)[]): Dims {
  const graph = graphOf(node);
  const given = node.inputs.map((name, i): [string, Dims] => {
    const shape = inputs[i];
    const info = graph.inputs.find((input) => input.name === name)?.type?.value;
    const rank = info?.case === 'tensorType' ? info.value.shape?.dim.length : 4;
    if (!shape) return [name, undefined];
    const [N, H, W, C] = shape;
    return [name, rank === 2 ? [N, H * W * C] : [N, C, H, W]];
  });
  return inferShapes(graph.nodes, graph.constants, new Map(given)).shapes.get(node.output);
}

/** The same as the engine holds it: maps as NHWC, vectors as 1x1 maps, other ranks as `[N, 1, rest, last]`. */
export function foreignShape(node: ForeignNode, inputs: readonly (NHWC | undefined)[]): NHWC | undefined {
  const dims = foreignDims(node, inputs);
  if (!dims) return undefined;
  if (dims.length === 4) return [dims[0]!, dims[2]!, dims[3]!, dims[1]!];
  const [N = 1, ...rest] = dims;
  const last = rest.pop() ?? 1;
  return [N, 1, rest.reduce((product, extent) => product * extent, 1), last];
}
