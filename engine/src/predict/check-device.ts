import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import type { Device } from '../plan/device.js';

const positive = [
  'frequencyHz',
  'lanes',
  'processingEngines',
  'memoryBandwidth',
  'cacheBandwidthRatio',
  'cacheBytes',
  'nominalBatch',
] as const satisfies readonly (keyof Device)[];

/** Every field that a device has; the compiler asks for those that are new. */
const fields = Object.keys({
  name: true,
  kind: true,
  source: true,
  processingEngines: true,
  lanes: true,
  frequencyHz: true,
  memoryBandwidth: true,
  cacheBandwidthRatio: true,
  cacheBytes: true,
  launchMs: true,
  nominalBatch: true,
  sources: true,
  calibration: true,
} satisfies Record<keyof Device, true>);

/**
 * Checks a device that comes from a user or a file.
 * @returns the same object
 * @throws FoveaError `bad-argument`, naming the field, its value and what is accepted
 */
export function checkDevice(device: Device): Device {
  if (typeof device !== 'object' || device === null) {
    throw new FoveaError('bad-argument', `device ${String(device)}: expected a name or a device object`);
  }
  const unknown = Object.keys(device).find((field) => !fields.includes(field));
  if (unknown !== undefined) {
    throw new FoveaError(
      'bad-argument',
      `device '${String(device.name)}': a field "${unknown}"; ${fields.join(', ')} are accepted${didYouMean(unknown, fields)}`,
    );
  }
  if (typeof device.name !== 'string' || device.name === '') {
    throw new FoveaError('bad-argument', `device name ${String(device.name)}: expected a non-empty string`);
  }
  if (device.kind !== 'gpu' && device.kind !== 'cpu') {
    throw new FoveaError(
      'bad-argument',
      `device '${device.name}': kind is ${String(device.kind)}, expected 'gpu' or 'cpu'`,
    );
  }
  for (const field of positive) {
    if (!(Number.isFinite(device[field]) && device[field] > 0)) {
      throw new FoveaError(
        'bad-argument',
        `device '${device.name}': ${field} is ${String(device[field])}, expected a number above 0`,
      );
    }
  }
  if (!(Number.isFinite(device.launchMs) && device.launchMs >= 0)) {
    throw new FoveaError(
      'bad-argument',
      `device '${device.name}': launchMs is ${String(device.launchMs)}, expected a number of at least 0`,
    );
  }
  return device;
}
