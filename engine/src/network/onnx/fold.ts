import { create } from '@bufbuild/protobuf';
import { FoveaError } from '../../errors.js';
import { type OrtTensor, openModel, runModel } from '../../onnxruntime.js';
import type { Budget } from './budget.js';
import { cutPiece, producersOf } from './foreign-model.js';
import { type TensorProto, TensorProtoSchema } from './generated/onnx_pb.js';
import type { Graph, GraphNode } from './graph.js';
import { inferAsking } from './infer-asking.js';
import { beginInference } from './infer-shapes.js';
import { countOf, ElementType } from './tensor.js';

/** Operators whose result is another one each time. */
const random = /^(Random|Multinomial$|Bernoulli$|Dropout$)/;

/** Room that a value may take while constants are computed. */
const bytesPerValue = 8;

/**
 * Computes, once and for all, whatever depends on constants alone: padding that the exporter wrote as a
 * computation, reshaped biases, dequantised weights. onnxruntime does so; without it the graph stays as it is.
 * What would be far larger than the file, or has extents that are unknown beforehand, stays too.
 */
export async function foldConstants(graph: Graph, budget: Budget): Promise<Graph> {
  const folded = await foldable(graph, budget);
  if (folded.size === 0) return graph;
  const written = new Set([...folded].flatMap(({ outputs }) => outputs));
  const rest = graph.nodes.filter((node) => !folded.has(node));
  const read = rest.flatMap((node) => [...node.inputs, ...node.captured]);
  const wanted = [...new Set(read)].filter((name) => name !== '' && written.has(name));
  const constants = new Map(graph.constants);
  if (wanted.length > 0) {
    const values = await compute(graph, wanted, budget);
    if (!values) return graph;
    for (const tensor of values) constants.set(tensor.name, tensor);
  }
  return { ...graph, nodes: rest, constants };
}

/** Operators that read constants, or what such operators write, and whose results are not too large. */
async function foldable(graph: Graph, budget: Budget): Promise<Set<GraphNode>> {
  const producers = producersOf(graph);
  const state = beginInference(graph.constants, new Map());
  const found = new Set<GraphNode>();
  const constant = new Set(graph.constants.keys());
  for (const node of graph.nodes) {
    const hasBody = [...node.attributes.values()].some(
      ({ g, graphs }) => g !== undefined || graphs.length > 0,
    );
    if (hasBody || random.test(node.op) || node.outputs.some((name) => graph.outputs.includes(name)))
      continue;
    if (!node.inputs.every((name) => name === '' || constant.has(name))) continue;
    await inferAsking(graph, producers, [node], state, budget);
    const sizes = node.outputs.map((name) => (name === '' ? [] : state.shapes.get(name)));
    if (sizes.some((dims) => dims === undefined)) continue;
    const values = sizes.reduce((sum, dims) => sum + countOf(dims!), 0);
    if (!budget.affords(bytesPerValue * values)) continue;
    found.add(node);
    for (const name of node.outputs) constant.add(name);
  }
  return found;
}

/** The wanted values; undefined when onnxruntime is not there or refuses. */
async function compute(
  graph: Graph,
  wanted: readonly string[],
  budget: Budget,
): Promise<TensorProto[] | undefined> {
  const { model } = cutPiece(graph, producersOf(graph), wanted, () => undefined, budget);
  try {
    const session = await openModel(model, { threads: 1, optimize: false }, graph.source);
    try {
      const values = await runModel(session, {}, graph.source);
      const tensors = wanted.map((name) => asProto(name, values[name]!));
      return tensors.every((tensor) => tensor !== undefined) ? tensors : undefined;
    } finally {
      await session.release();
    }
  } catch (error) {
    if (error instanceof FoveaError) return undefined;
    throw error;
  }
}

const elementTypes: Readonly<Record<string, number>> = {
  float32: ElementType.FLOAT,
  float64: ElementType.DOUBLE,
  int64: ElementType.INT64,
  int32: ElementType.INT32,
  int16: ElementType.INT16,
  int8: ElementType.INT8,
  uint64: ElementType.UINT64,
  uint32: ElementType.UINT32,
  uint16: ElementType.UINT16,
  uint8: ElementType.UINT8,
  bool: ElementType.BOOL,
};

function asProto(name: string, { type, dims, data }: OrtTensor): TensorProto | undefined {
  const dataType = elementTypes[type];
  if (dataType === undefined || !ArrayBuffer.isView(data)) return undefined;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return create(TensorProtoSchema, { name, dims: dims.map(BigInt), dataType, rawData: bytes.slice() });
}
