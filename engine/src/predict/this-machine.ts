import { existsSync } from 'node:fs';
import os from 'node:os';
import { expectArgument } from '../arguments/expect.js';
import { aText } from '../arguments/kinds.js';
import { runningIsa } from '../backends/native/addon.js';
import { thisProcessor } from '../backends/processor.js';
import { engineVersion, storeFile } from '../data-folder.js';
import { FoveaError } from '../errors.js';
import type { Device } from '../plan/device.js';
import { calibrationOf } from './calibration.js';
import { checkDevice } from './check-device.js';
import {
  bestFileOf,
  calibrationFileOf,
  calibrationReader,
  type StoredCalibration,
  sharedFileOf,
} from './stored-calibration.js';

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

const NAME = 'this-machine';

/** What the file of a machine goes by: a new version of the engine measures the same machine again. */
const identity = ['cpu', 'cores', 'isa'] as const;

/** Where the calibration of this kind of machine is stored. */
const ownPath = (isa: string): string => {
  const machine = describeMachine(isa);
  return calibrationFileOf(
    NAME,
    identity.map((field) => machine[field]),
  );
};

/**
 * Path of this machine's calibration. Machines with another processor, number of cores or instruction set, which may share
 * the user's folder, have theirs; what an earlier version kept in one file is this machine's where it was measured on such
 * a one. Where there is none, that of such a processor with other cores or instructions: it is not used, but says so.
 */
export function calibrationPath(): string {
  const isa = runningIsa();
  const own = isa === undefined ? undefined : ownPath(isa);
  if (own !== undefined && existsSync(own)) return own;
  const fit = ({ machine }: Partial<CalibrationFile>) => {
    // Without native kernels of its own, this machine is predicted for all the same.
    const now = describeMachine(isa ?? String(machine?.isa));
    if (machine?.cpu !== now.cpu) return 0;
    return identity.every((field) => machine[field] === now[field]) ? 2 : 1;
  };
  return bestFileOf<Partial<CalibrationFile>>(NAME, fit) ?? own ?? sharedFileOf(NAME);
}

/** Where calibrations of this kind of machine exclude each other; others that share the folder measure at the same time. */
export const calibrationLock = (): string => `${ownPath(runningIsa() ?? '')}.lock`;

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
  return storeFile(ownPath(isa), content, 'calibration');
}
