import { FoveaError } from '../../errors.js';
import {
  type GraphProto,
  type ModelProto,
  type SparseTensorProto,
  type TensorProto,
  TensorProto_DataLocation,
} from './generated/onnx_pb.js';
import { isExternal } from './tensor.js';

/**
 * Reads the content of a file that a model names as the place of its data.
 * @param location as the model has it, relative to the model's own folder
 * @param source the model, for messages
 * @throws FoveaError `bad-file` for a location that must not be read, `io` when it cannot be
 */
export type ReadBeside = (location: string, source: string) => Promise<Uint8Array>;

/**
 * Replaces references to external data by views of the data.
 *
 * @param readBeside undefined when the model came from memory and so has no folder
 * @returns bytes of the files read
 * @throws FoveaError `bad-file` for a range outside the file or a model without a folder, and as `readBeside` does
 */
export async function loadExternalData(
  model: ModelProto,
  source: string,
  readBeside: ReadBeside | undefined,
): Promise<number> {
  const files = new Map<string, Uint8Array>();
  for (const tensor of tensorsOf(model.graph)) {
    if (!isExternal(tensor)) continue;
    const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
    const location = entries.get('location') ?? '';
    if (readBeside === undefined) {
      throw new FoveaError(
        'bad-file',
        `${source}: tensor ${JSON.stringify(tensor.name)} lies in ${JSON.stringify(location)}; load the model by its path`,
      );
    }
    let content = files.get(location);
    if (!content) {
      content = await readBeside(location, source);
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
