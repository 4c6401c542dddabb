import type { Backend } from '../../backends/backend.js';
import { FoveaError } from '../../errors.js';
import type { Device } from '../../plan/device.js';
import type { DeviceName } from '../devices.js';
import { checkSameGpu } from '../gpu/this-gpu.js';
import { resolveDevice } from '../options.js';
import { Calibrator } from './calibrator.js';

/** The device that a measurement is compared with: one that stays, or one that is calibrated in turns with it. */
export interface DeviceInTurns {
  /** The device as far as it is known; in turns, after at least one of them. */
  device(): Device;
  /** Calibrates for its turn: a share of the whole, on so many threads. */
  next(turn: {
    readonly threads: number;
    readonly share: number;
    readonly signal?: AbortSignal | undefined;
  }): Promise<void>;
  dispose(): void;
}

/**
 * The device that was asked for, or the one of the backend: `this-machine`, or `this-gpu` for webgpu.
 *
 * @throws FoveaError `backend-unavailable` when the machine is not calibrated or has no native backend, `unknown-name`,
 *   `bad-argument` for seconds that are not above 0, beside a device, or for another backend than `native`, and for a GPU
 *   other than the calibrated one, `aborted`
 */
export async function deviceInTurns(
  backend: Backend,
  options: {
    readonly device?: Device | DeviceName;
    readonly calibrateSeconds?: number;
    readonly signal?: AbortSignal;
  },
): Promise<DeviceInTurns> {
  const { calibrateSeconds: seconds, signal } = options;
  if (seconds !== undefined) {
    if (!(seconds > 0)) {
      throw new FoveaError('bad-argument', `calibrateSeconds ${seconds}: a number above 0 is accepted`);
    }
    if (options.device !== undefined) {
      throw new FoveaError('bad-argument', 'a device beside calibrateSeconds: one of them is accepted');
    }
    if (backend.name !== 'native') {
      throw new FoveaError(
        'bad-argument',
        `calibrateSeconds for the backend '${backend.name}': only native calibrates in turns`,
      );
    }
    const calibrator = await Calibrator.open(backend, signal);
    return {
      device: () => calibrator.device(),
      next: ({ threads, share, signal }) =>
        calibrator.record({ threads: [threads], seconds: share * seconds, signal }),
      dispose: () => calibrator.dispose(),
    };
  }
  const onGpu = backend.name === 'webgpu';
  const device = resolveDevice(options.device ?? (onGpu ? 'this-gpu' : 'this-machine'));
  if (onGpu) await checkSameGpu(device);
  return { device: () => device, next: async () => {}, dispose: () => {} };
}
