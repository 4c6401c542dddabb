import { create } from '@bufbuild/protobuf';
import { FoveaError } from '../../errors.js';
import {
  bfloatToNumber,
  bytesPerValue,
  halfToNumber,
  type NumberFormat,
  toFloat32,
  toNumbers,
} from '../number-formats.js';
import { changed } from './changed.js';
import { type TensorProto, TensorProto_DataLocation, TensorProtoSchema } from './generated/onnx_pb.js';

/** ONNX's numbers for the element types that Fovea meets. */
export const ElementType = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
} as const;

/** Element types of ONNX that are not read, by number. */
const otherElements: Readonly<Record<number, string>> = {
  ...{ 0: 'none', 14: 'complex64', 15: 'complex128', 17: 'float8e4m3fn', 18: 'float8e4m3fnuz' },
  ...{ 19: 'float8e5m2', 20: 'float8e5m2fnuz', 21: 'uint4', 22: 'int4', 23: 'float4e2m1', 24: 'float8e8m0' },
};

/** An element type as messages name it. */
export function elementName(type: number): string {
  const known = Object.entries(ElementType)
    .find(([, value]) => value === type)?.[0]
    .toLowerCase();
  return known ?? otherElements[type] ?? `number ${type}`;
}

const formats: Readonly<Record<number, NumberFormat>> = {
  [ElementType.FLOAT]: 'F32',
  [ElementType.UINT8]: 'U8',
  [ElementType.INT8]: 'I8',
  [ElementType.UINT16]: 'U16',
  [ElementType.INT16]: 'I16',
  [ElementType.INT32]: 'I32',
  [ElementType.INT64]: 'I64',
  [ElementType.BOOL]: 'BOOL',
  [ElementType.FLOAT16]: 'F16',
  [ElementType.DOUBLE]: 'F64',
  [ElementType.UINT32]: 'U32',
  [ElementType.UINT64]: 'U64',
  [ElementType.BFLOAT16]: 'BF16',
};

/** True for the floating-point element types, all of which the engine computes as float32. */
export function isFloatType(type: number): boolean {
  return (
    type === ElementType.FLOAT ||
    type === ElementType.FLOAT16 ||
    type === ElementType.DOUBLE ||
    type === ElementType.BFLOAT16
  );
}

/** A tensor's extents as numbers. */
export function dimsOf(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

export function countOf(dims: readonly number[]): number {
  return dims.reduce((product, extent) => product * extent, 1);
}

/**
 * Checks that a tensor's data is as long as its extents say, so that later readers need not.
 * @throws FoveaError `bad-file` naming the tensor, `unsupported` for element types that are no numbers
 */
export function checkTensor(tensor: TensorProto, source: string): void {
  const quoted = JSON.stringify(tensor.name);
  const dims = dimsOf(tensor);
  if (dims.length > 16 || dims.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) {
    throw new FoveaError(
      'bad-file',
      `${source}: tensor ${quoted} has shape [${tensor.dims.slice(0, 16).join(', ')}]; up to 16 extents of at least 0 are accepted`,
    );
  }
  if (tensor.dataType === ElementType.STRING) return;
  const format = formats[tensor.dataType];
  if (!format) {
    throw new FoveaError(
      'unsupported',
      `${source}: tensor ${quoted} has element type ${elementName(tensor.dataType)}; floats of 16 to 64 bits and integers of 8 to 64 bits are accepted`,
    );
  }
  const count = countOf(dims);
  const stored =
    tensor.rawData.length > 0 ? tensor.rawData.length / bytesPerValue[format] : typedData(tensor).length;
  if (stored !== count) {
    throw new FoveaError(
      'bad-file',
      `${source}: tensor ${quoted} of shape [${dims.join(', ')}] needs ${count} values, its data has ${stored}`,
    );
  }
}

/** The values of a checked tensor as float32, whatever format they are stored in. */
export function float32Values(tensor: TensorProto): Float32Array<ArrayBuffer> {
  if (tensor.rawData.length > 0) return toFloat32(tensor.rawData, formats[tensor.dataType]!);
  return Float32Array.from(numbersOfTypedData(tensor));
}

/** The values of a checked tensor as numbers; for shapes, axes and other short lists. */
export function numberValues(tensor: TensorProto): number[] {
  if (tensor.rawData.length > 0) return toNumbers(tensor.rawData, formats[tensor.dataType]!);
  return Array.from(numbersOfTypedData(tensor));
}

/** A float32 tensor. */
export function floatTensor(name: string, dims: readonly number[], values: Float32Array): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType: ElementType.FLOAT,
    rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
}

/** An int64 tensor, as shapes and axes are stored. */
export function integerTensor(name: string, values: readonly number[], dims = [values.length]): TensorProto {
  const raw = BigInt64Array.from(values, BigInt);
  return create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType: ElementType.INT64,
    rawData: new Uint8Array(raw.buffer),
  });
}

/** The same tensor under a name, half and double precision converted to float32. */
export function asFloat32Tensor(name: string, tensor: TensorProto): TensorProto {
  if (tensor.dataType === ElementType.FLOAT || !isFloatType(tensor.dataType)) {
    return tensor.name === name ? tensor : changed(tensor, { name });
  }
  return floatTensor(name, dimsOf(tensor), float32Values(tensor));
}

export function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === TensorProto_DataLocation.EXTERNAL;
}

/** Values stored one protobuf number each. */
export function typedLength(tensor: TensorProto): number {
  return typedData(tensor).length;
}

function typedData(tensor: TensorProto): readonly (number | bigint)[] {
  switch (tensor.dataType) {
    case ElementType.FLOAT:
      return tensor.floatData;
    case ElementType.DOUBLE:
      return tensor.doubleData;
    case ElementType.INT64:
      return tensor.int64Data;
    default:
      return tensor.int32Data;
  }
}

/** Half precision in `int32_data` is stored as bits. */
function numbersOfTypedData(tensor: TensorProto): Iterable<number> {
  const data = typedData(tensor);
  if (tensor.dataType === ElementType.FLOAT16) return data.map((bits) => halfToNumber(Number(bits)));
  if (tensor.dataType === ElementType.BFLOAT16) return data.map((bits) => bfloatToNumber(Number(bits)));
  return data.map(Number);
}
