import path from 'node:path';
import { openDevice, openedAdapter } from '../../backends/webgpu/device.js';
import { dataFolder, engineVersion, storeFile } from '../../data-folder.js';
import { FoveaError } from '../../errors.js';
import type { Device } from '../../plan/device.js';
import { checkDevice } from '../check-device.js';
import { calibrationReader, type StoredCalibration } from '../stored-calibration.js';
import { gpuCalibrationOf } from './gpu-calibration.js';

/** Format of the file; one of another format is stale. */
const FORMAT = 3;

const AGAIN = 'run fovea calibrate --backend webgpu again';

interface GpuCalibrationFile {
  readonly format: number;
  readonly measuredAt: string;
  readonly engine: string;
  readonly device: Device;
}

/** Path of the GPU's calibration. */
function gpuCalibrationPath(): string {
  return path.join(dataFolder(), 'this-gpu.json');
}

/** Stores a GPU's calibration; returns the path. */
export function storeGpuCalibration(device: Device): string {
  const content: GpuCalibrationFile = {
    format: FORMAT,
    measuredAt: new Date().toISOString(),
    engine: engineVersion,
    device,
  };
  return storeFile(gpuCalibrationPath(), content, 'calibration');
}

const read = calibrationReader({
  path: gpuCalibrationPath,
  missing: (file) => `no GPU is calibrated: run fovea calibrate --backend webgpu (no ${file})`,
  parse,
});

/** Reads the GPU's calibration; a file that is missing, corrupt or from another version is not used. */
export function readGpuCalibration(): StoredCalibration {
  return read();
}

function parse(file: string, text: string): StoredCalibration {
  try {
    const { format, measuredAt, engine, device } = JSON.parse(text) as GpuCalibrationFile;
    if (format !== FORMAT || engine !== engineVersion)
      return { problem: `calibration ${file} is from another version: ${AGAIN}` };
    if (!gpuCalibrationOf(checkDevice(device)))
      throw new FoveaError('bad-file', 'it holds no measurements of a GPU');
    return { device, measuredAt };
  } catch (error) {
    return { problem: `calibration ${file} is corrupt (${(error as Error).message}): ${AGAIN}` };
  }
}

/**
 * The GPU's calibration, if it is of the adapter that runs in this process use. Before any of them has opened an adapter, it
 * is not known which one that will be, and the calibration is taken as it is.
 */
export function readOwnGpuCalibration(): StoredCalibration {
  const stored = readGpuCalibration();
  const adapter = openedAdapter();
  const problem = stored.device && adapter !== undefined && otherAdapter(stored.device, adapter);
  return problem ? { problem } : stored;
}

/** Says that a device is not the adapter of this name; undefined when it is. */
function otherAdapter(device: Device, name: string): string | undefined {
  const adapter = gpuCalibrationOf(device)?.adapter;
  if (adapter === name) return undefined;
  const found = adapter === undefined ? 'is not measured through WebGPU' : `was calibrated on ${adapter}`;
  return `device '${device.name}' ${found}; runs use ${name}: ${AGAIN}`;
}

/**
 * The calibrated device of this machine's GPU.
 * @throws FoveaError `backend-unavailable` saying why there is none and what to do
 */
export function thisGpu(): Device {
  const { device, problem } = readGpuCalibration();
  if (!device) throw new FoveaError('backend-unavailable', problem);
  return device;
}

/**
 * Makes sure that a device is the GPU that runs will use.
 * @throws FoveaError `bad-argument` when it was calibrated on another adapter, or not through WebGPU
 */
export async function checkSameGpu(device: Device): Promise<void> {
  const { name } = await openDevice('f32');
  const problem = otherAdapter(device, name);
  if (problem) throw new FoveaError('bad-argument', problem);
}
