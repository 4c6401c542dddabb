import { readFileSync } from 'node:fs';
import { type Device, deviceNames, FoveaError } from '@fovea/engine';
import { refusal } from '@fovea/engine/files';
import { resolveDevice } from '@fovea/engine/internal';
import { counted } from '../../presentation/index.js';
import { parseInteger } from './parse.js';

/** What `--device` accepts, for help texts. */
export const DEVICE_HELP = `${deviceNames().join(', ')}, this-machine and this-gpu after fovea calibrate, or a .json file with the fields of a device`;

/**
 * Reads `--device`.
 * @throws FoveaError `unknown-name`, and for a file `io`, `bad-file` or `bad-argument` naming the field
 */
export function openDevice(text: string): Device {
  if (!text.toLowerCase().endsWith('.json')) return resolveDevice(text);
  let content: string;
  try {
    content = readFileSync(text, 'utf8');
  } catch (error) {
    throw new FoveaError('io', `device ${text} cannot be read: ${refusal(error, 'file')}`, { cause: error });
  }
  let device: Device;
  try {
    device = JSON.parse(content) as Device;
  } catch (error) {
    throw new FoveaError('bad-file', `device ${text} is not JSON: ${(error as Error).message}`);
  }
  return resolveDevice(device);
}

/**
 * Reads the `--threads` that a prediction is for.
 * @throws FoveaError `bad-argument` for text that is not a number of threads, and for a GPU, where it would change nothing
 */
export function parseDeviceThreads(
  device: Device,
  threads: string | undefined,
): { readonly threads?: number } {
  if (threads === undefined) return {};
  if (device.kind === 'gpu') {
    throw new FoveaError(
      'bad-argument',
      `--threads ${threads}: only CPUs have threads; ${device.name} is a GPU, which a prediction uses whole`,
    );
  }
  return { threads: parseInteger('--threads', threads) };
}

/** Batch size and, on a CPU, threads of a prediction, for a heading. */
export function settingText(
  device: Device,
  { batch, threads }: { readonly batch: number; readonly threads: number },
): string {
  return `batch ${batch}${device.kind === 'gpu' ? '' : `, ${counted(threads, 'thread')}`}`;
}
