import { create } from '@bufbuild/protobuf';
import type { Budget } from './budget.js';
import { changed } from './changed.js';
import { ModelProtoSchema, type NodeProto, type TensorProto } from './generated/onnx_pb.js';
import type { Graph, GraphNode } from './graph.js';
import { serialiseModel } from './serialise.js';
import { asFloat32Tensor, ElementType, isFloatType, typedLength } from './tensor.js';
import { type Extent, valueInfo } from './value-info.js';

/** Rough size of an operator's description. */
const bytesPerOperator = 256;

/** A self-contained model of the operators between known values and some values. */
export interface ForeignPiece {
  /** Known values that it reads. */
  readonly inputs: readonly string[];
  readonly model: Uint8Array;
  readonly operators: readonly string[];
  readonly nodes: readonly GraphNode[];
}

/** Operators by the values that they write. */
export type Producers = ReadonlyMap<string, GraphNode>;

export function producersOf({ nodes }: Pick<Graph, 'nodes'>): Producers {
  return new Map(nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
}

/**
 * Cuts out of a graph all operators that lead from known float values to `outputs`.
 *
 * @param known extents of a value that is computed outside the piece; undefined for every other value
 */
export function cutPiece(
  graph: Graph,
  producers: Producers,
  outputs: readonly string[],
  known: (value: string) => readonly Extent[] | undefined,
  budget: Budget,
): ForeignPiece {
  const nodes = new Set<GraphNode>();
  const inputs = new Map<string, readonly Extent[]>();
  const initializers = new Map<string, TensorProto>();
  const pending = outputs.map((output) => producers.get(output)!);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (nodes.has(node)) continue;
    nodes.add(node);
    budget.spend(bytesPerOperator);
    for (const name of [...node.inputs, ...node.captured]) {
      if (name === '') continue;
      const constant = graph.constants.get(name);
      const extents = outputs.includes(name) ? undefined : known(name);
      const producer = producers.get(name);
      if (constant && !initializers.has(name)) {
        budget.spend(bytesPerOperator + constant.rawData.length + 8 * typedLength(constant));
        initializers.set(name, asFloat32Tensor(name, constant));
      } else if (constant) continue;
      else if (extents !== undefined) inputs.set(name, extents);
      else if (producer) pending.push(producer);
    }
  }
  const ordered = [...nodes].sort((a, b) => a.position - b.position);
  const model = create(ModelProtoSchema, {
    irVersion: graph.irVersion,
    producerName: 'fovea',
    opsetImport: [...graph.opsets],
    functions: [...graph.functions],
    graph: {
      name: ordered[ordered.length - 1]!.name || outputs[0]!,
      node: ordered.map(({ proto }) => withoutOutputs(withFloat32Casts(proto), inputs)),
      initializer: [...initializers.values()],
      input: [...inputs].map(([name, extents]) => valueInfo(name, extents, ElementType.FLOAT)),
      output: outputs.map((name) => ({ name })),
    },
  });
  return {
    inputs: [...inputs.keys()],
    model: serialiseModel(model),
    nodes: ordered,
    operators: [...new Set(ordered.map(({ op, domain }) => (domain === '' ? op : `${domain}.${op}`)))],
  };
}

/** Extents of an input of which only the rank is fixed. */
export function openExtents(name: string, rank: 2 | 4): Extent[] {
  return Array.from({ length: rank }, (_, axis) => `${name}.${axis}`);
}

/** An operator may write, beside what the piece needs, a value that comes from outside: that one gets another name. */
function withoutOutputs(proto: NodeProto, inputs: ReadonlyMap<string, unknown>): NodeProto {
  if (!proto.output.some((name) => inputs.has(name))) return proto;
  const output = proto.output.map((name) => (inputs.has(name) ? `${name}/again` : name));
  return changed(proto, { output });
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
