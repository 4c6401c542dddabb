import { FoveaError } from '../../errors.js';
import type { ForeignNode } from '../../network/network.js';
import {
  type InferenceSession,
  loadRuntime,
  type OrtTensor,
  openModel,
  runModel,
} from '../../onnxruntime.js';
import type { Shape, Tensor } from '../../tensor.js';
import { engineShape, toEngineTensor } from './layout.js';

/** One session for each foreign node and number of threads, kept for the lifetime of the node. */
const sessions = new WeakMap<ForeignNode, Map<number, Promise<InferenceSession>>>();

/** An input of a foreign node. */
export interface ForeignInput {
  readonly shape: Shape;
  /**
   * Its values, in memory that is not shared, which onnxruntime would not take: `[N, C, H, W]` where `byChannel`,
   * otherwise `[N, H, W, C]`.
   */
  values(byChannel: boolean): Float32Array<ArrayBuffer>;
}

export interface ForeignOptions {
  /** Compute threads, default 1. */
  readonly threads?: number;
  /** What the program expects, where it is known. */
  readonly shape?: Shape | undefined;
}

/**
 * Runs a foreign node in onnxruntime, converting from and to NHWC.
 *
 * @param inputs in the order of `node.inputs`
 * @throws FoveaError `backend-unavailable`, or `bad-shape` and `unsupported` in onnxruntime's own words
 */
export async function runForeign(
  node: ForeignNode,
  inputs: readonly Tensor[],
  options: ForeignOptions = {},
): Promise<Tensor> {
  const given = inputs.map((tensor) => ({
    shape: tensor.shape,
    values: (byChannel: boolean) => (byChannel ? tensor.toNCHW() : Float32Array.from(tensor.data)),
  }));
  return toEngineTensor(await runForeignAsIs(node, given, options), sourceOf(node));
}

/**
 * Runs a foreign node in onnxruntime, and leaves its output as it comes.
 *
 * @param inputs in the order of `node.inputs`
 * @throws FoveaError as `runForeign`
 */
export async function runForeignAsIs(
  node: ForeignNode,
  inputs: readonly ForeignInput[],
  { threads = 1, shape }: ForeignOptions = {},
): Promise<OrtTensor> {
  const source = sourceOf(node);
  const { Tensor: OrtTensor } = await loadRuntime();
  const session = await sessionOf(node, threads, source);
  const feeds = Object.fromEntries(
    node.inputs.map((name, i) => {
      const input = inputs[i];
      if (!input)
        throw new FoveaError('bad-shape', `${source}: its input ${JSON.stringify(name)} is missing`);
      const [N, H, W, C] = input.shape;
      const declared = session.inputMetadata.find((metadata) => metadata.name === name);
      const isVector = declared?.isTensor === true && declared.shape.length === 2;
      const dims = isVector ? [N, H * W * C] : [N, C, H, W];
      return [name, new OrtTensor('float32', input.values(!isVector), dims)];
    }),
  );
  const output = (await runModel(session, feeds, source))[node.output]!;
  const given = inputs[0]!.shape[0];
  if (output.dims.length === 4 && output.dims[0] !== given) {
    throw new FoveaError(
      'bad-shape',
      `${source} makes ${output.dims[0]} image(s) of ${given}: the file fixes its batch there; run ${output.dims[0]} at a time`,
    );
  }
  const made = engineShape(output, source);
  if (shape && shape.join() !== made.join()) {
    throw new FoveaError(
      'bad-shape',
      `${source} makes [${made.join(', ')}] of this input, [${shape.join(', ')}] of others of its size; operators whose ` +
        'output size does not depend on values are accepted',
    );
  }
  return output;
}

function sourceOf({ name, operators }: ForeignNode): string {
  return `"${name}" (${operators.join(', ')})`;
}

function sessionOf(node: ForeignNode, threads: number, source: string): Promise<InferenceSession> {
  let byThreads = sessions.get(node);
  if (!byThreads) {
    byThreads = new Map();
    sessions.set(node, byThreads);
  }
  const found = byThreads.get(threads);
  if (found) return found;
  const opening = openModel(node.model, { threads }, source);
  byThreads.set(threads, opening);
  opening.catch(() => byThreads.delete(threads));
  return opening;
}
