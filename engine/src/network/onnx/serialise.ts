import { toBinary } from '@bufbuild/protobuf';
import { changed } from './changed.js';
import {
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from './generated/onnx_pb.js';

/** Numbers of the fields on the way to a weight's bytes, in onnx.proto. */
const graphField = 7;
const initializerField = 5;
const rawDataField = 9;

/**
 * A model in protobuf. The library copies a weight once for each message around it, and again whenever its buffer
 * grows; here each is copied once, into its place.
 */
export function serialiseModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  const { graph } = model;
  if (!graph) return toBinary(ModelProtoSchema, model);
  const outside = toBinary(ModelProtoSchema, without(model, 'graph'));
  const inside = toBinary(GraphProtoSchema, changed(graph, { initializer: [] }));
  const parts = [inside, ...graph.initializer.flatMap(tensorParts)];
  const whole = [outside, prefixOf(graphField, lengthOf(parts)), ...parts];
  const bytes = new Uint8Array(lengthOf(whole));
  let offset = 0;
  for (const part of whole) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function tensorParts(tensor: TensorProto): Uint8Array[] {
  const { rawData } = tensor;
  if (rawData.length === 0) {
    const bytes = toBinary(TensorProtoSchema, tensor);
    return [prefixOf(initializerField, bytes.length), bytes];
  }
  const header = toBinary(TensorProtoSchema, without(tensor, 'rawData'));
  const parts = [header, prefixOf(rawDataField, rawData.length), rawData];
  return [prefixOf(initializerField, lengthOf(parts)), ...parts];
}

/** A copy of a message in which a field is not set. */
function without<T extends object>(message: T, field: keyof T): T {
  const copy = changed(message, {});
  delete copy[field];
  return copy;
}

const lengthOf = (parts: readonly Uint8Array[]) => parts.reduce((sum, { length }) => sum + length, 0);

/** The tag of a field of bytes, and how many they are. */
function prefixOf(field: number, length: number): Uint8Array {
  const bytes = [(field << 3) | 2];
  let left = length;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left & 0x7f) | 0x80);
  bytes.push(left);
  return Uint8Array.from(bytes);
}
