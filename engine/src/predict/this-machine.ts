import os from 'node:os';
import path from 'node:path';
import { expectArgument } from '../arguments/expect.js';
import { aText } from '../arguments/kinds.js';
import { runningIsa } from '../backends/native/addon.js';
import { thisProcessor } from '../backends/processor.js';
import { dataFolder, engineVersion, storeFile } from '../data-folder.js';
import { FoveaError } from '../errors.js';
import type { Device } from '../plan/device.js';
import { calibrationOf } from './calibration.js';
import { checkDevice } from './check-device.js';
import { calibrationReader, type StoredCalibration } from './stored-calibration.js';

/** Format of the calibration file; a file of another format is stale. */
const calibrationFormat = 16;

/** What a calibration file was measured on; it is valid only where this still holds. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly isa: string;
  readonly engine: string;
  readonly node: string;
}

/** The file that `fovea calibrate` writes. */
export interface CalibrationFile {
  readonly format: number;
  readonly measuredAt: string;
  readonly machine: Machine;
  readonly device: Device;
}

/** Path of this machine's calibration. */
export function calibrationPath(): string {
  return path.join(dataFolder(), 'this-machine.json');
}

/** The machine that this process runs on, in the terms of a calibration file. */
function describeMachine(isa: string): Machine {
  return {
    cpu: thisProcessor(),
    cores: os.availableParallelism(),
    isa,
    engine: engineVersion,
    node: process.version,
  };
}

const read = calibrationReader({
  path: calibrationPath,
  missing: (file) => `this machine is not calibrated: run fovea calibrate (no ${file})`,
  parse: parseCalibration,
  circumstance: runningIsa,
});

/**
 * Reads this machine's calibration. A file that is missing, corrupt, or from another CPU, core count, instruction
 * set (`FOVEA_ISA` chooses one) or engine version is not used; `problem` says so in one sentence.
 */
export function readCalibration(): StoredCalibration {
  return read();
}

function parseCalibration(file: string, text: string): StoredCalibration {
  let content: CalibrationFile;
  try {
    content = JSON.parse(text) as CalibrationFile;
    if (content.format !== calibrationFormat) {
      return {
        problem: `calibration ${file} has format ${String(content.format)}, not ${calibrationFormat}: run fovea calibrate again`,
      };
    }
    checkDevice(content.device);
    if (!calibrationOf(content.device)) throw new FoveaError('bad-file', 'it holds no measurements');
  } catch (error) {
    return {
      problem: `calibration ${file} is corrupt (${(error as Error).message}): run fovea calibrate again`,
    };
  }
  // Without native kernels of its own, this machine is predicted for all the same.
  const now = describeMachine(runningIsa() ?? content.machine?.isa);
  for (const field of ['cpu', 'cores', 'isa', 'engine'] as const) {
    if (content.machine?.[field] !== now[field]) {
      return {
        problem: `calibration ${file} is stale (${field} was ${String(content.machine?.[field])}, is ${now[field]}): run fovea calibrate again`,
      };
    }
  }
  return { device: content.device, measuredAt: content.measuredAt };
}

/**
 * The calibrated device of this machine.
 * @throws FoveaError `backend-unavailable` saying why there is none and what to do
 */
export function thisMachine(): Device {
  const { device, problem } = readCalibration();
  if (!device) throw new FoveaError('backend-unavailable', problem);
  return device;
}

/**
 * Stores a calibration, replacing the file at once so that a reader never sees half of one.
 * @param isa instruction set of the kernels that were timed
 * @returns the path written
 * @throws FoveaError `io` when the folder cannot be written
 */
export function storeCalibration(device: Device, isa: string): string {
  checkDevice(device);
  expectArgument(isa, aText, 'storeCalibration: isa');
  const content: CalibrationFile = {
    format: calibrationFormat,
    measuredAt: new Date().toISOString(),
    machine: describeMachine(isa),
    device,
  };
  return storeFile(calibrationPath(), content, 'calibration');
}
