import type { Kinds } from '../arguments/expect.js';
import { anObject, aText } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import type { Network } from '../network/network.js';
import { weightBytesOf } from '../network/weight-bytes.js';
import type { Device } from '../plan/device.js';
import { type PlanOptions, planOptionKinds } from '../plan/make-plan.js';
import type { Plan } from '../plan/plan.js';
import { checkThreads } from '../threads.js';
import { checkDevice } from './check-device.js';
import { type DeviceName, getDevice } from './devices.js';
import { readGpuCalibration, thisGpu } from './gpu/this-gpu.js';
import { thisMachine } from './this-machine.js';

/** Cost models by name. */
export const costModels = ['fovea', 'published'] as const;

/** Name of a cost model: one of `costModels`. */
export type CostModelName = (typeof costModels)[number];

/** What to predict, and for what; everything but the device has a sensible default. */
export interface PredictOptions extends Omit<PlanOptions, 'device'> {
  /** A device, or the name of one: see `deviceNames`; `this-machine` or `this-gpu` after a calibration. */
  readonly device: Device | DeviceName;
  /** A whole plan. It says strategy, S and excitation for every block, so that none of them is accepted beside it. */
  readonly plan?: Plan;
  /** `fovea` when left out. */
  readonly model?: CostModelName;
}

/** What each of them is, as far as it can be said without the network. */
export const predictOptionKinds: Kinds<PredictOptions> = { ...planOptionKinds, plan: anObject, model: aText };

/** A device by name or by value, checked. */
export function resolveDevice(device: Device | DeviceName): Device {
  if (typeof device !== 'string') return checkDevice(device);
  if (device === 'this-machine') return thisMachine();
  if (device === 'this-gpu') return thisGpu();
  // A calibrated GPU goes by its adapter's name as well.
  const gpu = readGpuCalibration().device;
  return gpu?.name === device ? gpu : getDevice(device);
}

/** What a prediction is for: device, images at once, threads, which are 1 for a GPU, and the size of the network. */
export interface Setting {
  readonly device: Device;
  readonly batch: number;
  readonly threads: number;
  /** Weights of the whole network: between two uses of one, all others pass through the caches. */
  readonly weightBytes: number;
}

/**
 * Fills in what was left out: the device's nominal batch, and all its cores. Threads of a GPU are not counted.
 * @throws FoveaError `unknown-name`, `bad-argument`
 */
export function resolveSetting(
  network: Network,
  { device: wanted, batch, threads }: Pick<PredictOptions, 'device' | 'batch' | 'threads'>,
): Setting {
  const device = resolveDevice(wanted);
  if (threads !== undefined) checkThreads(threads);
  const setting = {
    device,
    batch: batch ?? device.nominalBatch,
    threads: device.kind === 'gpu' ? 1 : (threads ?? device.processingEngines),
    weightBytes: weightBytesOf(network),
  };
  checkThreads(setting.threads);
  if (!Number.isInteger(setting.batch) || setting.batch < 1) {
    throw new FoveaError('bad-argument', `batch ${setting.batch}: an integer of at least 1 is accepted`);
  }
  return setting;
}
