import { type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { FoveaError } from '../../errors.js';
import { type ModelProto, ModelProtoSchema } from './generated/onnx_pb.js';

/**
 * More messages than any convolutional network has. An empty message takes two bytes in the file and some
 * hundred in memory, so without a limit a small file could fill the memory.
 */
const mostMessages = 300_000;
/** The same for integers written one byte each; float data takes four bytes a value and needs no limit. */
const mostIntegers = 4_000_000;
const deepestNesting = 64;

/**
 * Decodes an ONNX file. Raw tensor data stays a view into `bytes`.
 * @throws FoveaError `bad-file` when the bytes are no ONNX model, are cut off, or hold implausibly many parts
 */
export function decodeModel(bytes: Uint8Array, source: string): ModelProto {
  new WireScan(bytes, source).message(ModelProtoSchema, 0, bytes.length, 0);
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes, { recursionLimit: deepestNesting });
  } catch (cause) {
    throw new FoveaError('bad-file', `${source} is not a readable ONNX file: ${(cause as Error).message}`);
  }
  if (!model.graph || model.graph.node.length === 0) {
    throw new FoveaError('bad-file', `${source} is not an ONNX model: it holds no graph with operators`);
  }
  return model;
}

/** Walks the wire format without building anything, so that damage and excess are found before memory is spent. */
class WireScan {
  private messages = 0;
  private integers = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly source: string,
  ) {}

  /** Walks one message's fields from `position` to `end`. */
  message(schema: DescMessage, position: number, end: number, depth: number): void {
    if (++this.messages > mostMessages) this.fail(`more than ${mostMessages} parts`);
    if (depth > deepestNesting) this.fail(`parts nested deeper than ${deepestNesting}`);
    const fields = new Map(schema.fields.map((field) => [field.number, field]));
    let at = position;
    while (at < end) {
      const tag = this.varint(at, end);
      at = tag.next;
      const number = Math.floor(tag.value / 8);
      const wireType = tag.value % 8;
      if (number === 0) this.fail(`a field of number 0 at byte ${at}`);
      if (wireType === 0) {
        at = this.varint(at, end).next;
        if (++this.integers > mostIntegers) this.fail(`more than ${mostIntegers} integers`);
      } else if (wireType === 1) at += 8;
      else if (wireType === 5) at += 4;
      else if (wireType === 2) {
        const length = this.varint(at, end);
        at = length.next;
        const next = at + length.value;
        if (next > end) this.fail(`a part of ${length.value} bytes at byte ${at}, ${end - at} are left`);
        const field = fields.get(number);
        const nested = field?.message;
        if (nested) this.message(nested, at, next, depth + 1);
        else if (field?.fieldKind === 'list' && field.packed && !isFloating(schema, number)) {
          this.integers += length.value;
          if (this.integers > mostIntegers) this.fail(`more than ${mostIntegers} integers`);
        } else if (field?.fieldKind === 'list' && ++this.messages > mostMessages) {
          this.fail(`more than ${mostMessages} parts`);
        }
        at = next;
      } else this.fail(`wire type ${wireType} at byte ${at}`);
    }
    if (at > end) this.fail(`cut off at byte ${end}`);
  }

  /** A base-128 number; beyond 2^53 only its length matters, as it can then be no size that fits. */
  private varint(position: number, end: number): { value: number; next: number } {
    let value = 0;
    let scale = 1;
    for (let at = position; at < Math.min(end, position + 10); at++) {
      const byte = this.bytes[at]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return { value, next: at + 1 };
      scale *= 128;
    }
    return this.fail(`a number cut off at byte ${position}`);
  }

  private fail(what: string): never {
    throw new FoveaError('bad-file', `${this.source} is not a readable ONNX file: ${what}`);
  }
}

/** True for the packed fields of a tensor that hold floats and doubles. */
function isFloating(schema: DescMessage, number: number): boolean {
  return schema.typeName === 'onnx.TensorProto' && (number === 4 || number === 10);
}
