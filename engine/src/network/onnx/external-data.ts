import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { FoveaError } from '../../errors.js';
import { readFileBytes } from '../../file.js';
import {
  type GraphProto,
  type ModelProto,
  type SparseTensorProto,
  type TensorProto,
  TensorProto_DataLocation,
} from './generated/onnx_pb.js';
import { isExternal } from './tensor.js';

/**
 * Replaces references to external data by views of the data. Only files inside the model's own folder are
 * read: a model from elsewhere must not be able to read anything else.
 *
 * @param modelPath path of the model; undefined when it came from memory and so has no folder
 * @returns bytes of the files read
 * @throws FoveaError `bad-file` for a location outside the folder or a range outside the file, `io` when the
 *   file cannot be read
 */
export async function loadExternalData(
  model: ModelProto,
  source: string,
  modelPath: string | undefined,
): Promise<number> {
  const files = new Map<string, Uint8Array>();
  for (const tensor of tensorsOf(model.graph)) {
    if (!isExternal(tensor)) continue;
    const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
    const location = entries.get('location') ?? '';
    if (modelPath === undefined) {
      throw new FoveaError(
        'bad-file',
        `${source}: tensor ${JSON.stringify(tensor.name)} lies in ${JSON.stringify(location)}; load the model by its path`,
      );
    }
    let content = files.get(location);
    if (!content) {
      content = await readFileBytes(await confined(modelPath, location, source));
      files.set(location, content);
    }
    const offset = entries.has('offset') ? byteCount(entries.get('offset')!) : 0;
    const length = entries.has('length') ? byteCount(entries.get('length')!) : content.length - offset;
    if (!(offset >= 0 && length >= 0 && offset + length <= content.length)) {
      throw new FoveaError(
        'bad-file',
        `${source}: tensor ${JSON.stringify(tensor.name)} lies at offset ${entries.get('offset') ?? 0}, length ` +
          `${entries.get('length') ?? length} of ${location}, which has ${content.length} bytes`,
      );
    }
    tensor.rawData = content.subarray(offset, offset + length);
    tensor.externalData = [];
    tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
  }
  return [...files.values()].reduce((sum, { length }) => sum + length, 0);
}

/** Every stored tensor of a graph, those of `Constant` nodes and of bodies of control flow included. */
export function* tensorsOf(graph: GraphProto | undefined): Generator<TensorProto> {
  if (!graph) return;
  yield* graph.initializer;
  for (const sparse of graph.sparseInitializer) yield* partsOf(sparse);
  for (const node of graph.node) {
    for (const attribute of node.attribute) {
      if (attribute.t) yield attribute.t;
      yield* partsOf(attribute.sparseTensor);
      if (attribute.g) yield* tensorsOf(attribute.g);
      for (const body of attribute.graphs) yield* tensorsOf(body);
    }
  }
}

function* partsOf(sparse: SparseTensorProto | undefined): Generator<TensorProto> {
  if (sparse?.values) yield sparse.values;
  if (sparse?.indices) yield sparse.indices;
}

/** A decimal number of bytes, or NaN. */
function byteCount(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

/** The path of a file that must lie in the model's folder or below it, links followed. */
async function confined(modelPath: string, location: string, source: string): Promise<string> {
  const refuse = (): never => {
    throw new FoveaError(
      'bad-file',
      `${source}: external data ${JSON.stringify(location)} is not inside the model's folder`,
    );
  };
  if (location === '' || location.includes('\0') || isAbsolute(location)) refuse();
  const folder = dirname(modelPath);
  const path = join(folder, location);
  if (!isInside(folder, path)) refuse();
  let real: string;
  try {
    real = await realpath(path);
  } catch (cause) {
    throw new FoveaError('io', `${source}: its external data ${path} cannot be read`, { cause });
  }
  if (!isInside(await realpath(folder), real)) refuse();
  return real;
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
