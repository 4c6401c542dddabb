/**
 * Conversion of the number formats that model files store to float32. Sources are raw little-endian bytes at
 * any alignment.
 */

/** Formats that both ONNX and safetensors store; names as safetensors spells them. */
export type NumberFormat =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL';

/** Bytes that one value takes. */
export const bytesPerValue: Readonly<Record<NumberFormat, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** True for a name that {@link bytesPerValue} knows. */
export function isNumberFormat(name: unknown): name is NumberFormat {
  return typeof name === 'string' && Object.hasOwn(bytesPerValue, name);
}

/** The value of an IEEE 754 half-precision number given by its 16 bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const scratch = new DataView(new ArrayBuffer(4));

/** The 16 bits of the half-precision number nearest to `value`, ties to even; overflow gives infinity. */
export function numberToHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below the smallest normal half the fraction counts units of 2^-24; the FPU rounds ties to even for us.
  if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(Math.fround(value)) * 2 ** 24);
  const rebased = magnitude - 0x38000000;
  const truncated = rebased >>> 13;
  const remainder = rebased & 0x1fff;
  return sign | (truncated + (remainder > 0x1000 || (remainder === 0x1000 && truncated & 1) ? 1 : 0));
}

/** The value of a bfloat16 number given by its 16 bits. */
export function bfloatToNumber(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** The 16 bits of the bfloat16 number nearest to `value`, which is finite, ties to even. */
export function numberToBfloat(value: number): number {
  scratch.setFloat32(0, value);
  return roundToEven(scratch.getUint32(0) / 2 ** 16);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/**
 * Converts raw little-endian values to float32.
 * @param bytes exactly `count · bytesPerValue[format]` bytes, at any alignment
 */
export function toFloat32(bytes: Uint8Array, format: NumberFormat): Float32Array<ArrayBuffer> {
  const count = bytes.byteLength / bytesPerValue[format];
  const values = new Float32Array(count);
  if (format === 'F32') {
    new Uint8Array(values.buffer).set(bytes);
    return values;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (format === 'F16') {
    const table = halvesTable();
    for (let i = 0; i < count; i++) values[i] = table[view.getUint16(i * 2, true)]!;
    return values;
  }
  const read = readers[format];
  for (let i = 0; i < count; i++) values[i] = read(view, i);
  return values;
}

let halves: Float32Array | undefined;

/** Every half-precision number by its bits: computing a network's weights one by one takes seconds. */
function halvesTable(): Float32Array {
  halves ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => halfToNumber(bits));
  return halves;
}

/** Converts raw little-endian values to numbers; 64-bit integers beyond 2^53 lose their low bits. */
export function toNumbers(bytes: Uint8Array, format: NumberFormat): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = readers[format];
  return Array.from({ length: bytes.byteLength / bytesPerValue[format] }, (_, i) => read(view, i));
}

const readers: Record<NumberFormat, (view: DataView, index: number) => number> = {
  F64: (view, i) => view.getFloat64(i * 8, true),
  F32: (view, i) => view.getFloat32(i * 4, true),
  F16: (view, i) => halfToNumber(view.getUint16(i * 2, true)),
  BF16: (view, i) => bfloatToNumber(view.getUint16(i * 2, true)),
  I64: (view, i) => Number(view.getBigInt64(i * 8, true)),
  I32: (view, i) => view.getInt32(i * 4, true),
  I16: (view, i) => view.getInt16(i * 2, true),
  I8: (view, i) => view.getInt8(i),
  U64: (view, i) => Number(view.getBigUint64(i * 8, true)),
  U32: (view, i) => view.getUint32(i * 4, true),
  U16: (view, i) => view.getUint16(i * 2, true),
  U8: (view, i) => view.getUint8(i),
  BOOL: (view, i) => (view.getUint8(i) === 0 ? 0 : 1),
};
