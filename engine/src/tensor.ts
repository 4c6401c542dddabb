import { expectArgument } from './arguments/expect.js';
import { aTensor, type Kind, listOf, numbers } from './arguments/kinds.js';
import { said, tagOf } from './arguments/said.js';
import { FoveaError } from './errors.js';

/** Shape in memory order: batch, height, width, channels. */
export type Shape = readonly [N: number, H: number, W: number, C: number];

/**
 * A float32 map in NHWC order over memory that native threads can share.
 * A vector per image (logits, pooled features) is a map of height and width 1.
 *
 * @example
 * ```ts
 * import { Tensor } from '@fovea/engine';
 *
 * const batch = new Tensor([1, 2, 2, 3], Float32Array.from({ length: 12 }, (_, i) => i));
 * console.log(Tensor.concat([batch, Tensor.zeros([1, 2, 2, 3])]).shape); // [2, 2, 2, 3]
 * ```
 */
export class Tensor {
  /**
   * @param shape `[N, H, W, C]`, positive integers
   * @param data `N·H·W·C` values, NHWC; taken over, not copied
   * @param fileDims extents that an ONNX graph gave the same values, in the same order, when it made neither a map
   *   nor a vector per image: the shape above is then only where they are kept
   * @throws FoveaError `bad-shape` when the length does not match, `bad-argument` for values of another type
   */
  constructor(
    readonly shape: Shape,
    readonly data: Float32Array,
    readonly fileDims?: readonly number[],
  ) {
    checkRank(shape);
    // Also one that another realm's code made, as in a notebook.
    if (tagOf(data) !== 'Float32Array') {
      throw new FoveaError(
        'bad-argument',
        `tensor values ${said(data)}: a Float32Array is accepted, which Float32Array.from(values) makes`,
      );
    }
    for (const extent of shape) {
      if (!Number.isInteger(extent) || extent < 1) {
        throw new FoveaError(
          'bad-shape',
          `tensor shape [${Array.from(shape, said).join(', ')}]: extents must be integers of at least 1`,
        );
      }
    }
    const [N, H, W, C] = shape;
    if (data.length !== N * H * W * C) {
      throw new FoveaError(
        'bad-shape',
        `tensor of shape [${Array.from(shape, said).join(', ')}] needs ${N * H * W * C} values, got ${data.length}`,
      );
    }
  }

  /** A zero-filled tensor, over memory that threads can share where the platform has that. */
  static zeros(shape: Shape): Tensor {
    checkRank(shape);
    const length = shape.reduce((product, extent) => product * extent, 1);
    if (!Number.isSafeInteger(length) || length < 1) {
      throw new FoveaError(
        'bad-shape',
        `tensor shape [${Array.from(shape, said).join(', ')}]: extents must be integers of at least 1`,
      );
    }
    // Browsers share memory only on pages that are isolated from other origins.
    const Memory = typeof SharedArrayBuffer === 'undefined' ? ArrayBuffer : SharedArrayBuffer;
    try {
      return new Tensor(shape, new Float32Array(new Memory(length * 4)));
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new FoveaError(
        'bad-shape',
        `tensor shape [${Array.from(shape, said).join(', ')}]: ${length * 4} bytes are more than there is memory for`,
        { cause },
      );
    }
  }

  /**
   * One batch of the images of several, in their order; copied.
   * @throws FoveaError `bad-shape` for no batches, or images of different sizes
   */
  static concat(batches: readonly Tensor[]): Tensor {
    expectArgument(batches, listOf(aTensor, 'tensors'), 'Tensor.concat: batches');
    const [first] = batches;
    if (!first) throw new FoveaError('bad-shape', 'no batches; at least one is accepted');
    const [, H, W, C] = first.shape;
    for (const { shape } of batches) {
      if (shape[1] === H && shape[2] === W && shape[3] === C) continue;
      throw new FoveaError(
        'bad-shape',
        `images of [${shape.slice(1).join(', ')}] beside images of [${H}, ${W}, ${C}]: one size is accepted`,
      );
    }
    const joined = Tensor.zeros([batches.reduce((sum, { shape }) => sum + shape[0], 0), H, W, C]);
    let at = 0;
    for (const { data } of batches) {
      joined.data.set(data, at);
      at += data.length;
    }
    return joined;
  }

  /**
   * Converts from the order that PyTorch and ONNX use.
   * @param shape `[N, C, H, W]`
   * @param values `N·C·H·W` values; copied
   */
  static fromNCHW(shape: readonly [number, number, number, number], values: ArrayLike<number>): Tensor {
    checkRank(shape);
    expectArgument(values, numbers, 'Tensor.fromNCHW: values');
    const [N, C, H, W] = shape;
    if (values.length !== N * C * H * W) {
      throw new FoveaError(
        'bad-shape',
        `NCHW shape [${Array.from(shape, said).join(', ')}] needs ${N * C * H * W} values, got ${values.length}`,
      );
    }
    const tensor = Tensor.zeros([N, H, W, C]);
    const plane = H * W;
    for (let n = 0; n < N; n++) {
      for (let c = 0; c < C; c++) {
        const source = (n * C + c) * plane;
        const target = n * plane * C + c;
        for (let p = 0; p < plane; p++) tensor.data[target + p * C] = values[source + p] as number;
      }
    }
    return tensor;
  }

  /**
   * The same values as files hold them, copied: a vector per image as `[N, C]`, a map as `[N, C, H, W]`, anything else
   * with the extents and in the order that the graph gave it.
   * @param rank 4 writes a vector as a map of one pixel, `[N, C, 1, 1]`: a network's `outputRank`
   */
  toFileOrder(rank: 2 | 4 = 2): {
    readonly dims: readonly number[];
    readonly values: Float32Array<ArrayBuffer>;
  } {
    if (this.fileDims) return { dims: this.fileDims, values: Float32Array.from(this.data) };
    const [N, H, W, C] = this.shape;
    return { dims: H === 1 && W === 1 && rank === 2 ? [N, C] : [N, C, H, W], values: this.toNCHW() };
  }

  /** The same values in `[N, C, H, W]` order, copied. */
  toNCHW(): Float32Array<ArrayBuffer> {
    const [N, H, W, C] = this.shape;
    const values = new Float32Array(this.data.length);
    const plane = H * W;
    for (let n = 0; n < N; n++) {
      for (let c = 0; c < C; c++) {
        const target = (n * C + c) * plane;
        const source = n * plane * C + c;
        for (let p = 0; p < plane; p++) values[target + p] = this.data[source + p * C] as number;
      }
    }
    return values;
  }
}

const aList: Kind = {
  accepted: 'a list [N, H, W, C]',
  holds: (value) => Array.isArray(value) || numbers.holds(value),
};

function checkRank(shape: Shape): void {
  // Code without types may pass on the extents of one image, or of a vector.
  expectArgument(shape, aList, 'tensor shape');
  if ((shape as readonly number[]).length === 4) return;
  throw new FoveaError(
    'bad-shape',
    `tensor shape [${Array.from(shape, said).join(', ')}]: four extents are accepted, [N, H, W, C]`,
  );
}
