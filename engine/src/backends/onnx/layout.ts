import { FoveaError } from '../../errors.js';
import type { OrtTensor } from '../../onnxruntime.js';
import { type Shape, Tensor } from '../../tensor.js';

/** Element types whose values are numbers in JavaScript's arrays. */
const numeric = new Set([
  ...['float32', 'float64', 'bool'],
  ...['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'],
]);

/**
 * The extents of an onnxruntime result as the engine's tensor: a map `[N, C, H, W]` is `[N, H, W, C]`, a vector `[N, C]` is
 * `[N, 1, 1, C]`, and any other rank `[N, 1, rest, last]`.
 *
 * @param source what produced it, for messages
 * @throws FoveaError `unsupported` when the values are no numbers, `bad-shape` when there are none
 */
export function engineShape({ dims, data, type }: OrtTensor, source: string): Shape {
  if (!numeric.has(type)) {
    throw new FoveaError(
      'unsupported',
      `${source}: its output is of type ${type}; ${[...numeric].join(', ')} are accepted`,
    );
  }
  if (data.length === 0) {
    throw new FoveaError('bad-shape', `${source}: its output of shape [${dims.join(', ')}] holds no values`);
  }
  if (dims.length === 4) {
    const [N, C, H, W] = dims as unknown as readonly [number, number, number, number];
    return [N, H, W, C];
  }
  const [N = 1, ...rest] = dims;
  const last = rest.pop() ?? 1;
  const between = rest.reduce((product, extent) => product * extent, 1);
  return [N, 1, between, last];
}

/**
 * An onnxruntime result as the engine's tensor: of the extents of `engineShape`, maps by pixel, and the extents of any other
 * rank than a map's and a vector's as `fileDims`. Integers, as a network that ends in ArgMax gives them, become float32.
 *
 * @param source what produced it, for messages
 * @throws FoveaError as `engineShape`
 */
export function toEngineTensor(output: OrtTensor, source: string): Tensor {
  const { dims } = output;
  const shape = engineShape(output, source);
  const values = floatsOf(output);
  if (dims.length === 4) return Tensor.fromNCHW(dims as unknown as [number, number, number, number], values);
  return new Tensor(shape, values, fileDims(output));
}

/** An onnxruntime result's values, in its own order. */
export function floatsOf({ data, type }: OrtTensor): Float32Array {
  return type === 'float32'
    ? (data as Float32Array)
    : Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

/** The extents of a result that is neither a map nor a vector. */
export function fileDims({ dims }: OrtTensor): readonly number[] | undefined {
  return dims.length === 2 || dims.length === 4 ? undefined : [...dims];
}
