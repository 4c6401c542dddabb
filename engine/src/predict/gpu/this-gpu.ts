import { existsSync } from 'node:fs';
import os from 'node:os';
import { thisProcessor } from '../../backends/processor.js';
import { openDevice, openedAdapter } from '../../backends/webgpu/device.js';
import { engineVersion, storeFile } from '../../data-folder.js';
import { FoveaError } from '../../errors.js';
import type { Device } from '../../plan/device.js';
import { checkDevice } from '../check-device.js';
import {
  bestFileOf,
  calibrationFileOf,
  calibrationReader,
  type StoredCalibration,
  sharedFileOf,
} from '../stored-calibration.js';
import { gpuCalibrationOf } from './gpu-calibration.js';

/** Format of the file; one of another format is stale. */
const FORMAT = 3;

const AGAIN = 'run fovea calibrate --backend webgpu again';

const NAME = 'this-gpu';

interface GpuCalibrationFile {
  readonly format: number;
  readonly measuredAt: string;
  readonly engine: string;
  /** The machine that it was measured on; earlier versions did not say. */
  readonly host?: string;
  readonly cpu?: string;
  readonly device: Device;
}

const ownPath = (adapter: string): string => calibrationFileOf(NAME, [adapter]);

/**
 * Path of the GPU's calibration: that of the adapter that runs in this process use. Before any of them has opened an
 * adapter, of those that machines which share the folder have measured, the one of this machine or of one like it.
 */
function gpuCalibrationPath(): string {
  const adapter = openedAdapter();
  if (adapter !== undefined && existsSync(ownPath(adapter))) return ownPath(adapter);
  const fit = ({ host, cpu, device }: Partial<GpuCalibrationFile>) =>
    1 +
    Number(cpu === thisProcessor()) +
    2 * Number(host === os.hostname()) +
    4 * Number((device?.calibration as { adapter?: unknown } | undefined)?.adapter === adapter);
  return bestFileOf<Partial<GpuCalibrationFile>>(NAME, fit) ?? sharedFileOf(NAME);
}

/** Stores a GPU's calibration; returns the path. */
export function storeGpuCalibration(device: Device): string {
  const content: GpuCalibrationFile = {
    format: FORMAT,
    measuredAt: new Date().toISOString(),
    engine: engineVersion,
    ...{ host: os.hostname(), cpu: thisProcessor() },
    device,
  };
  return storeFile(
    ownPath(gpuCalibrationOf(checkDevice(device))?.adapter ?? device.name),
    content,
    'calibration',
  );
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
