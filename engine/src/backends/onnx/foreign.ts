import { FoveaError } from '../../errors.js';
import type { ForeignNode } from '../../network/network.js';
import { type InferenceSession, loadRuntime, openModel, runModel } from '../../onnxruntime.js';
import type { Shape, Tensor } from '../../tensor.js';
import { toEngineTensor } from './layout.js';

/** One session for each foreign node and number of threads, kept for the lifetime of the node. */
const sessions = new WeakMap<ForeignNode, Map<number, Promise<InferenceSession>>>();

/**
 * Runs a foreign node in onnxruntime, converting from and to NHWC.
 *
 * @param inputs in the order of `node.inputs`
 * @param options `threads`: compute threads, default 1; `shape`: what the program expects, where it is known
 * @throws FoveaError `backend-unavailable`, or `bad-shape` and `unsupported` in onnxruntime's own words
 */
export async function runForeign(
  node: ForeignNode,
  inputs: readonly Tensor[],
  { threads = 1, shape }: { readonly threads?: number; readonly shape?: Shape | undefined } = {},
): Promise<Tensor> {
  const source = `"${node.name}" (${node.operators.join(', ')})`;
  const { Tensor: OrtTensor } = await loadRuntime();
  const session = await sessionOf(node, threads, source);
  const feeds = Object.fromEntries(
    node.inputs.map((name, i) => {
      const input = inputs[i];
      if (!input)
        throw new FoveaError('bad-shape', `${source}: its input ${JSON.stringify(name)} is missing`);
      const [N, H, W, C] = input.shape;
      const declared = session.inputMetadata.find((metadata) => metadata.name === name);
      const rank = declared?.isTensor ? declared.shape.length : 4;
      if (rank === 2) return [name, new OrtTensor('float32', copied(input), [N, H * W * C])];
      return [name, new OrtTensor('float32', input.toNCHW(), [N, C, H, W])];
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
  const tensor = toEngineTensor(output, source);
  if (shape && shape.join() !== tensor.shape.join()) {
    throw new FoveaError(
      'bad-shape',
      `${source} makes [${tensor.shape.join(', ')}] of this input, [${shape.join(', ')}] of others of its size; operators whose ` +
        'output size does not depend on values are accepted',
    );
  }
  return tensor;
}

/** onnxruntime takes no shared memory. */
function copied({ data }: Tensor): Float32Array<ArrayBuffer> {
  return Float32Array.from(data);
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
