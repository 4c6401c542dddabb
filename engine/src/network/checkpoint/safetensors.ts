import { expectArgument, expectOptional } from '../../arguments/expect.js';
import {
  anObject,
  aPosition,
  aText,
  aUint8Array,
  floats,
  type Kind,
  numbers,
} from '../../arguments/kinds.js';
import { tagOf } from '../../arguments/said.js';
import { FoveaError } from '../../errors.js';
import { bytesPerValue, isNumberFormat, type NumberFormat, toFloat32 } from '../number-formats.js';

/** A header of 100,000 arrays takes about half of this; parsed, JSON takes many times its size in memory. */
const largestHeaderBytes = 16 * 2 ** 20;

/** One array of a safetensors file; its bytes are a view into the file. */
export interface StoredTensor {
  readonly format: NumberFormat;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** The content of a safetensors file: named arrays and free text. */
export interface Safetensors {
  /** File name, for messages. */
  readonly source: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const bad = (source: string, what: string, cause?: unknown) =>
  new FoveaError('bad-file', `${source}: ${what}`, { cause });

const aSafetensors: Kind = {
  accepted: 'what parseSafetensors and readSafetensors return',
  holds: (value) => anObject.holds(value) && tagOf((value as Safetensors).tensors) === 'Map',
};
const aNamedTensor: Kind = {
  accepted: 'a shape, and values in a Float32Array or a Uint8Array,',
  holds: (value) => {
    if (!anObject.holds(value)) return false;
    const { shape, values } = value as NamedTensor;
    return (
      Array.isArray(shape) &&
      shape.every(aPosition.holds) &&
      (aUint8Array.holds(values) || floats.holds(values))
    );
  },
};

/**
 * Reads the safetensors format: eight bytes with the header's length, a JSON header, then the arrays.
 * Nothing is copied. Every offset is checked before use, arrays may neither overlap nor leave holes.
 * @param source the file's name, for messages
 * @throws FoveaError `bad-file`, naming the array and the value that is wrong
 */
export function parseSafetensors(bytes: Uint8Array, source: string): Safetensors {
  expectArgument(bytes, aUint8Array, 'parseSafetensors: bytes');
  expectArgument(source, aText, 'parseSafetensors: source');
  if (bytes.length < 8) {
    throw bad(source, `${bytes.length} bytes are too few for a safetensors file, which has at least 8`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  const limit = Math.min(largestHeaderBytes, bytes.length - 8);
  if (headerBytes > BigInt(limit)) {
    throw bad(source, `the header claims ${headerBytes} bytes, at most ${limit} are possible`);
  }
  const start = 8 + Number(headerBytes);
  const header = parseHeader(bytes.subarray(8, start), source);
  const data = bytes.subarray(start);

  const tensors = new Map<string, StoredTensor>();
  let metadata: Record<string, string> = {};
  const spans: { name: string; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = parseMetadata(entry, source);
      continue;
    }
    const { format, shape, begin, end } = parseEntry(name, entry, data.length, source);
    spans.push({ name, begin, end });
    tensors.set(name, { format, shape, bytes: data.subarray(begin, end) });
  }
  checkSpans(spans, data.length, source);
  return { source, tensors, metadata };
}

/**
 * One array as float32, converted from whatever format the file stores.
 * @param shape when given, the array must have exactly this shape
 * @throws FoveaError `bad-file` when the array is absent or has another shape
 */
export function float32Of(
  file: Safetensors,
  name: string,
  shape?: readonly number[],
): Float32Array<ArrayBuffer> {
  expectArgument(file, aSafetensors, 'float32Of: file');
  expectArgument(name, aText, 'float32Of: name');
  expectOptional(shape, numbers, 'float32Of: shape');
  const tensor = file.tensors.get(name);
  if (!tensor) throw bad(file.source, `there is no array ${JSON.stringify(name)}`);
  if (
    shape &&
    (shape.length !== tensor.shape.length || shape.some((extent, i) => extent !== tensor.shape[i]))
  ) {
    throw bad(
      file.source,
      `${JSON.stringify(name)} has shape [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]`,
    );
  }
  return toFloat32(tensor.bytes, tensor.format);
}

function parseHeader(bytes: Uint8Array, source: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw bad(source, 'the header is not valid JSON', cause);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw bad(source, 'the header is not a JSON object');
  }
  return header as Record<string, unknown>;
}

function parseMetadata(entry: unknown, source: string): Record<string, string> {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw bad(source, '__metadata__ is not a JSON object');
  }
  const pairs = Object.entries(entry).map(([key, value]) => {
    if (typeof value !== 'string') throw bad(source, `__metadata__.${key} is not a string`);
    return [key, value] as const;
  });
  return Object.fromEntries(pairs);
}

function parseEntry(name: string, entry: unknown, dataBytes: number, source: string) {
  const quoted = JSON.stringify(name);
  if (typeof entry !== 'object' || entry === null)
    throw bad(source, `${quoted} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (!isNumberFormat(dtype)) {
    throw bad(
      source,
      `${quoted} has dtype ${JSON.stringify(dtype)}; known are ${Object.keys(bytesPerValue).join(', ')}`,
    );
  }
  if (!isCounts(shape)) {
    throw bad(source, `${quoted} has shape ${brief(shape)}; extents must be integers of at least 0`);
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw bad(source, `${quoted} has data_offsets ${brief(offsets)}; expected [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) {
    throw bad(source, `${quoted} lies at ${begin}…${end}, outside the ${dataBytes} bytes of data`);
  }
  const length = shape.reduce((product, extent) => product * extent, bytesPerValue[dtype]);
  if (length !== end - begin) {
    throw bad(
      source,
      `${quoted} of shape [${shape.join(', ')}] needs ${length} bytes of ${dtype}, its data has ${end - begin}`,
    );
  }
  return { format: dtype, shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= 16 &&
    value.every((entry) => Number.isSafeInteger(entry) && entry >= 0)
  );
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** The arrays must tile the data exactly: an overlap or a hole means a forged or damaged header. */
function checkSpans(
  spans: { name: string; begin: number; end: number }[],
  dataBytes: number,
  source: string,
) {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  for (const { name, begin, end } of spans) {
    if (begin < reached)
      throw bad(source, `${JSON.stringify(name)} overlaps the array before it at byte ${begin}`);
    if (begin > reached) throw bad(source, `bytes ${reached}…${begin} belong to no array`);
    reached = end;
  }
  if (reached !== dataBytes) throw bad(source, `bytes ${reached}…${dataBytes} belong to no array`);
}

/** An array to be written; float32 values. */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array | Uint8Array;
}

/**
 * Writes the safetensors format; arrays keep the order given, `Float32Array` as F32, `Uint8Array` as U8.
 * @throws FoveaError `bad-shape` when an array's length does not match its shape
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, NamedTensor>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  expectArgument(tensors, anObject, 'writeSafetensors: tensors');
  expectOptional(metadata, anObject, 'writeSafetensors: metadata');
  for (const [name, tensor] of Object.entries(tensors))
    expectArgument(tensor, aNamedTensor, `writeSafetensors: ${name}`);
  for (const [name, text] of Object.entries(metadata ?? {}))
    expectArgument(text, aText, `writeSafetensors: ${name}`);
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let reached = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const length = shape.reduce((product, extent) => product * extent, 1);
    if (length !== values.length) {
      throw new FoveaError(
        'bad-shape',
        `array ${name} of shape [${shape.join(', ')}] needs ${length} values, got ${values.length}`,
      );
    }
    const end = reached + values.byteLength;
    const dtype = values instanceof Float32Array ? 'F32' : 'U8';
    header[name] = { dtype, shape, data_offsets: [reached, end] };
    reached = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  // Padding with spaces keeps the data aligned to eight bytes, as the format's own writer does.
  const padded = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(8 + padded + reached);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.fill(0x20, 8, 8 + padded);
  file.set(text, 8);
  let offset = 8 + padded;
  for (const { values } of Object.values(tensors)) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    offset += values.byteLength;
  }
  return file;
}
