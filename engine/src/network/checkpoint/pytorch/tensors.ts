import { FoveaError } from '../../../errors.js';
import { bytesPerValue, type NumberFormat } from '../../number-formats.js';
import type { StoredTensor } from '../safetensors.js';

/** Values that tensors are views of, by the key under which the file holds them. */
export class PickledStorage {
  /**
   * @param format undefined where only the tensors say it
   * @param offset of a storage that is a view of another one, in values
   */
  constructor(
    readonly key: string,
    readonly format: NumberFormat | undefined,
    readonly offset = 0,
  ) {}

  /** Bytes of one value; 1 where only the tensors say what the values are. */
  get valueBytes(): number {
    return this.format ? bytesPerValue[this.format] : 1;
  }
}

/** A tensor as a pickle describes it; its values lie elsewhere in the file. */
export class PickledTensor {
  constructor(
    readonly storage: PickledStorage,
    readonly format: NumberFormat,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}

  /**
   * The tensor with its values in row-major order: a view where they lie so already.
   * @param bytes of its storage
   * @throws FoveaError `bad-file` when it reaches outside its storage or repeats its values
   */
  stored(bytes: Uint8Array, name: string, source: string): StoredTensor {
    const { format, shape, strides } = this;
    const size = bytesPerValue[format];
    const count = shape.reduce((product, extent) => product * extent, 1);
    const first = this.offset + this.storage.offset;
    const last = shape.reduce((at, extent, axis) => at + (extent - 1) * strides[axis]!, first);
    const held = Math.floor(bytes.length / size);
    if (count !== 0 && !(last < held && count <= held)) {
      throw new FoveaError(
        'bad-file',
        `${source}: ${JSON.stringify(name)} of shape [${shape.join(', ')}] reaches to value ${last} of ${held}`,
      );
    }
    if (count === 0) return { format, shape, bytes: new Uint8Array(0) };
    if (isContiguous(shape, strides)) {
      return { format, shape, bytes: bytes.subarray(first * size, (first + count) * size) };
    }
    return { format, shape, bytes: ordered(bytes, size, first, shape, strides) };
  }
}

/** Values in row-major order of their indices. */
function ordered(
  bytes: Uint8Array,
  size: number,
  first: number,
  shape: readonly number[],
  strides: readonly number[],
): Uint8Array {
  const result = new Uint8Array(shape.reduce((product, extent) => product * extent, size));
  let to = 0;
  const copy = (axis: number, from: number) => {
    const [extent, step] = [shape[axis]!, strides[axis]! * size];
    for (let i = 0, at = from; i < extent; i++, at += step) {
      if (axis + 1 < shape.length) copy(axis + 1, at);
      else for (let byte = 0; byte < size; byte++) result[to++] = bytes[at + byte]!;
    }
  };
  copy(0, first * size);
  return result;
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== step) return false;
    step *= shape[axis]!;
  }
  return true;
}
