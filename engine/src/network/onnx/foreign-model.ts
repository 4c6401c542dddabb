import { create, toBinary } from '@bufbuild/protobuf';
import { FoveaError } from '../../errors.js';
import type { Budget } from './budget.js';
import { changed } from './changed.js';
import {
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.js';
import { describeNode, type Graph, type GraphNode } from './graph.js';
import { asFloat32Tensor, ElementType, isFloatType, typedLength } from './tensor.js';

/** Rough size of an operator's description. */
const bytesPerOperator = 256;

/** A self-contained model of the operators between known values and one value. */
export interface ForeignPiece {
  /** Known values that it reads. */
  readonly inputs: readonly string[];
  readonly model: Uint8Array;
  readonly operators: readonly string[];
}

/**
 * Cuts out of a graph all operators that lead from values with a known rank to `output`.
 *
 * @param known rank of a value that is computed outside the piece; undefined for every other value
 * @throws FoveaError `unsupported` when the piece reads no known value
 */
export function cutPiece(
  graph: Graph,
  producers: ReadonlyMap<string, GraphNode>,
  output: string,
  known: (value: string) => 2 | 4 | undefined,
  budget: Budget,
): ForeignPiece {
  const nodes = new Set<GraphNode>();
  const inputs = new Map<string, 2 | 4>();
  const initializers = new Map<string, TensorProto>();
  const pending = [producers.get(output)!];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (nodes.has(node)) continue;
    nodes.add(node);
    budget.spend(bytesPerOperator);
    for (const name of [...node.inputs, ...node.captured]) {
      if (name === '') continue;
      const constant = graph.constants.get(name);
      const rank = known(name);
      const producer = producers.get(name);
      if (constant && !initializers.has(name)) {
        budget.spend(bytesPerOperator + constant.rawData.length + 8 * typedLength(constant));
        initializers.set(name, asFloat32Tensor(name, constant));
      } else if (constant) continue;
      else if (rank !== undefined) inputs.set(name, rank);
      else if (producer) pending.push(producer);
    }
  }
  const last = producers.get(output)!;
  if (inputs.size === 0) {
    throw new FoveaError(
      'unsupported',
      `${graph.source}: ${describeNode(last)} does not depend on the image; such outputs are not accepted`,
    );
  }
  const ordered = [...nodes].sort((a, b) => a.position - b.position);
  const model = create(ModelProtoSchema, {
    irVersion: graph.irVersion,
    producerName: 'fovea',
    opsetImport: [...graph.opsets],
    functions: [...graph.functions],
    graph: {
      name: last.name || output,
      node: ordered.map(({ proto }) => withFloat32Casts(proto)),
      initializer: [...initializers.values()],
      input: [...inputs].map(([name, rank]) => floatValue(name, rank)),
      output: [{ name: output }],
    },
  });
  return {
    inputs: [...inputs.keys()],
    model: toBinary(ModelProtoSchema, model),
    operators: [...new Set(ordered.map(({ op, domain }) => (domain === '' ? op : `${domain}.${op}`)))],
  };
}

/** A float value of which only the rank is fixed. */
function floatValue(name: string, rank: 2 | 4): ValueInfoProto {
  const dim = Array.from({ length: rank }, (_, axis) => ({
    value: { case: 'dimParam' as const, value: `${name}.${axis}` },
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: ElementType.FLOAT, shape: { dim } } } },
  });
}

/** The engine computes every float format as float32, and so must a piece of the graph. */
function withFloat32Casts(proto: NodeProto): NodeProto {
  if (proto.opType !== 'Cast') return proto;
  const attribute = proto.attribute.map((given) =>
    given.name === 'to' && isFloatType(Number(given.i))
      ? changed(given, { i: BigInt(ElementType.FLOAT) })
      : given,
  );
  return changed(proto, { attribute });
}
