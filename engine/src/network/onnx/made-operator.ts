import { create } from '@bufbuild/protobuf';
import { attributeOf } from './attribute.js';
import { changed } from './changed.js';
import { NodeProtoSchema } from './generated/onnx_pb.js';
import { type GraphNode, graphNode } from './graph.js';

/** Rough size of an operator's description. */
export const BYTES_PER_OPERATOR = 256;

/** Attributes of an operator by name, as `attributeOf` takes them. */
export type Attributes = Readonly<Record<string, number | readonly number[] | string | Float32Array>>;

/** An operator that is put into a graph. */
export function madeOperator(
  opType: string,
  name: string,
  input: readonly string[],
  output: string,
  attributes: Attributes = {},
  domain = '',
): GraphNode {
  const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
  return graphNode(
    create(NodeProtoSchema, { opType, domain, name, input: [...input], output: [output], attribute }),
  );
}

/** The same operator on other values, some attributes changed. */
export function rewrittenOperator(
  { proto }: GraphNode,
  input: readonly string[],
  output: string | readonly string[],
  attributes: Attributes = {},
): GraphNode {
  const kept = proto.attribute.filter(({ name }) => !(name in attributes));
  const set = Object.entries(attributes).map(([name, value]) => attributeOf(name, value));
  return graphNode(
    changed(proto, { input: [...input], output: [output].flat(), attribute: [...kept, ...set] }),
  );
}
