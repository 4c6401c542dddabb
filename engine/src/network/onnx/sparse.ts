import { FoveaError } from '../../errors.js';
import type { Budget } from './budget.js';
import type { SparseTensorProto, TensorProto } from './generated/onnx_pb.js';
import {
  checkTensor,
  countOf,
  dimsOf,
  elementName,
  float32Values,
  floatTensor,
  isFloatType,
  numberValues,
} from './tensor.js';

/**
 * A sparse tensor of floats with its zeros written out, in float32. Indices are places in row-major order, or coordinates of shape
 * [count, rank].
 * @throws FoveaError `bad-file` for an index outside the tensor, `unsupported` when it is far larger than the
 *   file or holds no floats
 */
export function denseTensor(sparse: SparseTensorProto, source: string, budget: Budget): TensorProto {
  const { values, indices } = sparse;
  const name = values?.name ?? '';
  const fail = (what: string): never => {
    throw new FoveaError('bad-file', `${source}: sparse tensor ${JSON.stringify(name)} ${what}`);
  };
  if (!values || !indices) return fail('lacks its values or its indices');
  checkTensor(values, source);
  checkTensor(indices, source);
  const dims = sparse.dims.map(Number);
  if (dims.length > 16 || dims.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) {
    fail(`has shape [${dims.slice(0, 16).join(', ')}]; up to 16 extents of at least 0 are accepted`);
  }
  const count = countOf(dims);
  const stored = countOf(dimsOf(values));
  if (!isFloatType(values.dataType)) {
    throw new FoveaError(
      'unsupported',
      `${source}: sparse tensor ${JSON.stringify(name)} has element type ${elementName(values.dataType)}; floats are accepted`,
    );
  }
  budget.spend(4 * count + 16 * stored);
  const flat = dimsOf(indices).length === 1;
  const wanted = flat ? stored : stored * dims.length;
  const places = numberValues(indices);
  if (places.length !== wanted)
    fail(`has ${places.length} indices for ${stored} values of rank ${dims.length}`);
  const dense = new Float32Array(count);
  float32Values(values).forEach((value, i) => {
    const place = flat
      ? places[i]!
      : dims.reduce((at, extent, axis) => at * extent + places[i * dims.length + axis]!, 0);
    if (!(place >= 0 && place < count)) fail(`has a value at place ${place} of ${count}`);
    dense[place] = value;
  });
  return floatTensor(name, dims, dense);
}
