import { create } from '@bufbuild/protobuf';
import { type ValueInfoProto, ValueInfoProtoSchema } from './generated/onnx_pb.js';

/** An extent of an input: a number, or a name where any is accepted. */
export type Extent = number | string;

/** A value's name, element type and extents; without extents only name and type are recorded. */
export function valueInfo(
  name: string,
  dims: readonly Extent[] | undefined,
  elemType: number,
): ValueInfoProto {
  const shape = dims && {
    dim: dims.map((extent) => ({
      value:
        typeof extent === 'number'
          ? { case: 'dimValue' as const, value: BigInt(extent) }
          : { case: 'dimParam' as const, value: extent },
    })),
  };
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, ...(shape ? { shape } : {}) } } },
  });
}
