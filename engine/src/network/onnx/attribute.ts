import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
} from './generated/onnx_pb.js';

/** An operator's attribute; numbers are integers, floats come as an array. */
export function attributeOf(
  name: string,
  value: number | readonly number[] | string | Float32Array,
): AttributeProto {
  const { FLOAT, FLOATS, INT, INTS, STRING } = AttributeProto_AttributeType;
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: STRING, s: new TextEncoder().encode(value) });
  }
  if (value instanceof Float32Array) {
    return value.length === 1
      ? create(AttributeProtoSchema, { name, type: FLOAT, f: value[0]! })
      : create(AttributeProtoSchema, { name, type: FLOATS, floats: Array.from(value) });
  }
  if (typeof value === 'number') return create(AttributeProtoSchema, { name, type: INT, i: BigInt(value) });
  return create(AttributeProtoSchema, { name, type: INTS, ints: value.map(BigInt) });
}
