import { randomUUID } from 'node:crypto';
import {
  FoveaError,
  type Network,
  type NetworkRunOptions,
  type Plan,
  predict,
  type RunResult,
  type Tensor,
} from '@fovea/engine';
import {
  gpuCalibrationOf,
  prepare,
  readGpuCalibration,
  refusalWithoutOnnxruntime,
  storeNetwork,
} from '@fovea/engine/internal';
import type { LiveBrowserRun, LiveGpuPrediction } from './protocol.js';

/** A piece of a file that goes into one message: what servers between kernel and browser let through. */
const pieceBytes = 4 * 2 ** 20;

/** A file that is no longer requested is released. */
const heldMs = 30_000;

const keys = new WeakMap<Network, string>();

function keyOf(network: Network): string {
  const key = keys.get(network) ?? randomUUID();
  keys.set(network, key);
  return key;
}

/** With what a browser computes what was run here, and the buffers that belong to it; or why it cannot. */
export function browserRun(
  network: Network,
  input: Tensor,
  options: NetworkRunOptions,
  result: RunResult,
): { readonly browser: LiveBrowserRun | { readonly refused: string }; readonly buffers: Uint8Array[] } {
  const refused = refusalWithoutOnnxruntime(network);
  if (refused) return { browser: { refused }, buffers: [] };
  const { plan } = prepare(network, input, options);
  if (!isPlain(plan)) {
    return {
      browser: {
        refused: `the plans of strategy ${plan.strategy} hold functions of the kernel, which a browser cannot be sent`,
      },
      buffers: [],
    };
  }
  return {
    browser: {
      key: keyOf(network),
      plan,
      shape: input.shape,
      ...gpuPrediction(network, plan, input, result),
    },
    buffers: [bytesOf(input.data), bytesOf(result.output.data)],
  };
}

/** What the calibrated GPU is predicted to take; nothing where none is, for a software driver's times say nothing of one. */
function gpuPrediction(
  network: Network,
  plan: Plan,
  { shape: [batch, height, width] }: Tensor,
  { masks }: RunResult,
): { readonly predicted?: LiveGpuPrediction } {
  const { device } = readGpuCalibration();
  if (!device || gpuCalibrationOf(device)?.software !== false) return {};
  const common = { device, batch, height, width };
  const { totalMs } = predict(network, { ...common, plan, masks });
  const { totalMs: denseMs } = predict(network, { ...common, strategy: 'dense' });
  return { predicted: { device: device.name, totalMs, denseMs } };
}

/** Whether a value is the same after a way through JSON. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isPlain);
  return typeof value !== 'function' && typeof value !== 'symbol';
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** The file of the network that a panel is fetching, one at a time. */
export class NetworkFile {
  #key = '';
  #bytes: Uint8Array | undefined;
  #letGo: NodeJS.Timeout | undefined;

  /**
   * A piece of a network's file from `offset` on.
   * @throws FoveaError `bad-argument` when another network has taken the place of the one that was run, or the file
   *   ends before the offset
   */
  piece(network: Network, key: string, offset: number): { piece: Uint8Array; totalBytes: number } {
    if (key !== keyOf(network)) {
      throw new FoveaError('bad-argument', `${network.name} is another network now: run it again`);
    }
    if (this.#key !== key || !this.#bytes) this.#bytes = storeNetwork(network);
    this.#key = key;
    const bytes = this.#bytes;
    if (!Number.isInteger(offset) || offset < 0 || offset >= bytes.length) {
      throw new FoveaError('bad-argument', `offset ${offset}: 0 to ${bytes.length - 1} are accepted`);
    }
    const piece = bytes.subarray(offset, offset + pieceBytes);
    clearTimeout(this.#letGo);
    if (offset + piece.length === bytes.length) this.dispose();
    else this.#letGo = setTimeout(() => this.dispose(), heldMs).unref();
    return { piece, totalBytes: bytes.length };
  }

  /** Lets go of the file. */
  dispose(): void {
    clearTimeout(this.#letGo);
    this.#bytes = undefined;
  }
}
