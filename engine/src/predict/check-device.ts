import { expectArgument, expectOptional } from '../arguments/expect.js';
import { anObject, aText } from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
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
  if (!anObject.holds(device)) {
    throw new FoveaError('bad-argument', `device ${said(device)}: expected a name or a device object`);
  }
  const unknown = Object.keys(device).find((field) => !fields.includes(field));
  if (unknown !== undefined) {
    throw new FoveaError(
      'bad-argument',
      `device ${said(device.name)}: a field "${unknown}"; ${fields.join(', ')} are accepted${didYouMean(unknown, fields)}`,
    );
  }
  if (typeof device.name !== 'string' || device.name === '') {
    throw new FoveaError('bad-argument', `device name ${said(device.name)}: expected a non-empty string`);
  }
  if (device.kind !== 'gpu' && device.kind !== 'cpu') {
    throw new FoveaError(
      'bad-argument',
      `device '${device.name}': kind is ${said(device.kind)}, expected 'gpu' or 'cpu'`,
    );
  }
  expectArgument(device.source, aText, `device '${device.name}': source`);
  expectOptional(device.sources, anObject, `device '${device.name}': sources`);
  for (const field of positive) {
    if (!(Number.isFinite(device[field]) && device[field] > 0)) {
      throw new FoveaError(
        'bad-argument',
        `device '${device.name}': ${field} is ${said(device[field])}, expected a number above 0`,
      );
    }
  }
  if (!(Number.isFinite(device.launchMs) && device.launchMs >= 0)) {
    throw new FoveaError(
      'bad-argument',
      `device '${device.name}': launchMs is ${said(device.launchMs)}, expected a number of at least 0`,
    );
  }
  return device;
}
