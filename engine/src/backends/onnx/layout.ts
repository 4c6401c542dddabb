import { FoveaError } from '../../errors.js';
import { type Shape, Tensor } from '../../tensor.js';
import type { OrtTensor } from './runtime.js';

/**
 * An onnxruntime result as the engine's tensor: maps change from NCHW to NHWC, a vector `[N, C]` becomes
 * `[N, 1, 1, C]`, and any other rank keeps its order of values as `[N, 1, rest, last]` and its extents as `fileDims`.
 *
 * @param source what produced it, for messages
 * @throws FoveaError `unsupported` when the values are no floats, `bad-shape` when there are none
 */
export function toEngineTensor({ dims, data, type }: OrtTensor, source: string): Tensor {
  if (type !== 'float32') {
    throw new FoveaError('unsupported', `${source}: its output is of type ${type}; float32 is accepted`);
  }
  const values = data as Float32Array;
  if (values.length === 0) {
    throw new FoveaError('bad-shape', `${source}: its output of shape [${dims.join(', ')}] holds no values`);
  }
  if (dims.length === 4) return Tensor.fromNCHW(dims as unknown as [number, number, number, number], values);
  const [N = 1, ...rest] = dims;
  const last = rest.pop() ?? 1;
  const between = rest.reduce((product, extent) => product * extent, 1);
  return new Tensor([N, 1, between, last], values, dims.length === 2 ? undefined : [...dims]);
}

/** An onnxruntime result that is in NHWC already, as it stands. */
export function fromNHWC({ dims, data }: OrtTensor): Tensor {
  return new Tensor(dims as unknown as Shape, data as Float32Array);
}
