import { expectArgument, expectOptions, type Kinds } from '../../arguments/expect.js';
import { aNetwork, aNumber, aText } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import { toOnnx } from '../../network/onnx/write.js';
import { atOtherSize } from '../../network/other-size.js';
import { networkShapes } from '../../network/walk.js';
import {
  type ExecutionProvider,
  type InferenceSession,
  loadRuntime,
  openModel,
  runModel,
  type SessionSettings,
} from '../../onnxruntime.js';
import type { Tensor } from '../../tensor.js';
import { checkThreads } from '../../threads.js';
import { toEngineTensor } from './layout.js';

/** A network in onnxruntime as a whole, computed densely: what adaptive execution is compared with. */
export interface DenseSession {
  /** `file` when the network's own ONNX file runs, `written` when the network was written as one. */
  readonly source: 'file' | 'written';
  /**
   * Runs a batch. The conversion to NCHW is not part of the time.
   * @param input `[N, H, W, C]`
   */
  run(input: Tensor): Promise<{ readonly output: Tensor; readonly ms: number }>;
  dispose(): Promise<void>;
}

/** Input size and threads of a dense session. */
export interface DenseOptions {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** Compute threads; default 1. */
  readonly threads?: number;
  /** What onnxruntime computes with; default `cpu`. */
  readonly provider?: ExecutionProvider;
}

const denseOptionKinds: Kinds<DenseOptions> = {
  batch: aNumber,
  height: aNumber,
  width: aNumber,
  threads: aNumber,
  provider: aText,
};

/**
 * Opens the dense baseline: the network's own ONNX file where it accepts this batch and size, otherwise the
 * network written as ONNX.
 *
 * @throws FoveaError `backend-unavailable` when onnxruntime cannot be loaded, `bad-shape` when the layers do
 *   not fit the size
 *
 * @example
 * ```ts
 * import { builtNetwork, Tensor } from '@fovea/engine';
 * import { openDense } from '@fovea/engine/onnx';
 *
 * const dense = await openDense(builtNetwork('resnet18'), { batch: 1, height: 64, width: 64 });
 * const { output, ms } = await dense.run(Tensor.zeros([1, 64, 64, 3]));
 * console.log(output.shape, ms);
 * await dense.dispose();
 * ```
 */
export async function openDense(network: Network, options: DenseOptions): Promise<DenseSession> {
  expectArgument(network, aNetwork, 'openDense: network');
  expectOptions(options, denseOptionKinds, 'openDense');
  const { threads = 1, provider = 'cpu', ...shape } = options;
  const settings = { threads, provider };
  checkThreads(threads);
  // The engine's own words about a size that does not fit name the layer; a foreign node's shape may be unknown.
  if (network.nodes.every(({ kind }) => kind !== 'foreign')) networkShapes(network, shape);
  if (network.onnxPath !== undefined) {
    const own = await openFile(network.onnxPath, settings);
    if (own && accepts(own, network, shape)) return session(own, network, 'file');
    await own?.release();
  }
  const { batch, height, width } = shape;
  const model = toOnnx(network, { batch, size: { height, width } });
  try {
    return session(await openModel(model, settings, network.name), network, 'written');
  } catch (error) {
    throw atOtherSize(network, { height, width }, error);
  }
}

/** The network's own file, unless it has gone or changed since it was imported. */
async function openFile(path: string, settings: SessionSettings): Promise<InferenceSession | undefined> {
  try {
    return await openModel(path, settings, path);
  } catch (error) {
    if (error instanceof FoveaError && error.code === 'unsupported') return undefined;
    throw error;
  }
}

/** Whether a file's declared input takes this shape in float32. */
function accepts(
  own: InferenceSession,
  network: Network,
  { batch, height, width }: { batch: number; height: number; width: number },
): boolean {
  const input = own.inputMetadata.find(({ name }) => name === network.input);
  if (!input?.isTensor || input.type !== 'float32' || own.inputNames.length !== 1) return false;
  const wanted = [batch, network.inputShape.channels, height, width];
  return input.shape.every((extent, i) => typeof extent === 'string' || extent < 0 || extent === wanted[i]);
}

function session(open: InferenceSession, network: Network, source: 'file' | 'written'): DenseSession {
  const output = (source === 'file' ? network.onnxOutput : undefined) ?? open.outputNames[0]!;
  return {
    source,
    async run(input) {
      const { Tensor: OrtTensor } = await loadRuntime();
      const [N, H, W, C] = input.shape;
      const feed = new OrtTensor('float32', input.toNCHW(), [N, C, H, W]);
      const started = performance.now();
      const outputs = await runModel(open, { [open.inputNames[0]!]: feed }, network.name);
      const ms = performance.now() - started;
      return { output: toEngineTensor(outputs[output]!, network.name), ms };
    },
    dispose: () => open.release(),
  };
}
