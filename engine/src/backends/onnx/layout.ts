import { FoveaError } from '../../errors.js';
import type { OrtTensor } from '../../onnxruntime.js';
import { Tensor } from '../../tensor.js';

/** Element types whose values are numbers in JavaScript's arrays. */
const numeric = new Set([
  ...['float32', 'float64', 'bool'],
  ...['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'],
]);

/**
 * An onnxruntime result as the engine's tensor: maps change from NCHW to NHWC, a vector `[N, C]` becomes
 * `[N, 1, 1, C]`, and any other rank keeps its order of values as `[N, 1, rest, last]` and its extents as `fileDims`.
 * Integers, as a network that ends in ArgMax gives them, become float32.
 *
 * @param source what produced it, for messages
 * @throws FoveaError `unsupported` when the values are no numbers, `bad-shape` when there are none
 */
export function toEngineTensor({ dims, data, type }: OrtTensor, source: string): Tensor {
  if (!numeric.has(type)) {
    throw new FoveaError(
      'unsupported',
      `${source}: its output is of type ${type}; ${[...numeric].join(', ')} are accepted`,
    );
  }
  const values =
    type === 'float32'
      ? (data as Float32Array)
      : Float32Array.from(data as ArrayLike<number | bigint>, Number);
  if (values.length === 0) {
    throw new FoveaError('bad-shape', `${source}: its output of shape [${dims.join(', ')}] holds no values`);
  }
  if (dims.length === 4) return Tensor.fromNCHW(dims as unknown as [number, number, number, number], values);
  const [N = 1, ...rest] = dims;
  const last = rest.pop() ?? 1;
  const between = rest.reduce((product, extent) => product * extent, 1);
  return new Tensor([N, 1, between, last], values, dims.length === 2 ? undefined : [...dims]);
}
