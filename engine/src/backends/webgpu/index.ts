import { expectOptions } from '../../arguments/expect.js';
import { aFlag, aText } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import { paddedFor } from '../../network/padded.js';
import { networkShapes } from '../../network/walk.js';
import type { Backend, Session } from '../backend.js';
import { browserGpu, openDevice } from './device.js';
import type { Precision } from './kernel.js';
import { nameOfUnit } from './kernels/matrices.js';
import { WebgpuSession } from './session.js';
import { tuningOf } from './tuning.js';

/** How WebGPU sessions are to run. */
export interface WebgpuOptions {
  /** How activations and weights are stored; default `f32`. Sums are float32 always. */
  readonly precision?: Precision;
  /**
   * True: for each shape of a convolution, the kernel that a short timing finds fastest on this GPU; in Node the choice is
   * kept in the user's data folder. False: a rule chooses. Left out, true on a GPU and false on a software driver.
   */
  readonly tune?: boolean;
}

/** Whole networks on a GPU through WebGPU, masks and all: in the browser, or in Node with the npm package `webgpu`. */
export const webgpuBackend: Backend = webgpuBackendWith({});

/**
 * The WebGPU backend with options of its sessions: to be given to `run` as `backend`.
 * @returns a backend whose `open` throws FoveaError `unsupported` for f16 on an adapter without it
 * @throws FoveaError `bad-argument` for an unknown precision
 */
export function webgpuBackendWith(options: WebgpuOptions): Backend {
  const { precision = 'f32', tune } = expectOptions(
    options,
    { precision: aText, tune: aFlag },
    'webgpuBackendWith',
  );
  if (precision !== 'f32' && precision !== 'f16')
    throw new FoveaError('bad-argument', `precision ${precision}: f32 or f16 is accepted`);
  return {
    name: 'webgpu',
    onnxProvider: 'webgpu',
    ...(precision === 'f16' ? { outputTolerance: 5e-3 } : {}),
    get unavailable(): string | undefined {
      return browserGpu() || isInstalled()
        ? undefined
        : 'the npm package webgpu is not installed: `npm install webgpu@0.6.2` (130 MB) brings the GPU backend';
    },
    async check(): Promise<string | undefined> {
      if (this.unavailable) return this.unavailable;
      try {
        await openDevice(precision);
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    },
    async open(network, { batch, height, width }): Promise<Session> {
      networkShapes(network, { batch, height, width });
      const session = new WebgpuSession(
        paddedFor(network, { height, width }),
        [batch, height, width, network.inputShape.channels],
        precision,
        tune,
      );
      await session.resident();
      return session;
    },
  };
}

function isInstalled(): boolean {
  try {
    import.meta.resolve('webgpu');
    return true;
  } catch {
    return false;
  }
}

/**
 * The GPU that runs use, in one line, and whether their kernels were timed on it.
 * @throws FoveaError `backend-unavailable` without a GPU
 */
export async function describeGpu(): Promise<string> {
  const { name: adapter, driver, software, matrices, tunedOn } = await openDevice('f32');
  const { shapes } = tuningOf(tunedOn);
  const timed = `timing, so far for ${shapes} shapes of convolutions`;
  const kernels = `kernels are chosen by ${software ? `a rule, with --tune by ${timed}` : timed}`;
  const halves = matrices ? `; precision f16 multiplies matrices of subgroups, ${nameOfUnit(matrices)}` : '';
  return `${adapter}${driver ? `, ${driver}` : ''}${software ? ', a software driver' : ''}; ${kernels}${halves}`;
}
