import { expectArgument } from '../arguments/expect.js';
import { aText } from '../arguments/kinds.js';
import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import type { Device } from '../plan/device.js';
import { checkDevice } from './check-device.js';

/**
 * The devices that come with Fovea. The first five carry the constants of the published LAUDNet simulator,
 * so that its figures can be reproduced; they are hand-tuned there (the V100's memory at 700 of its 900
 * GB/s, say). The others are read from their makers' data sheets.
 */

const published = 'constants of the published LAUDNet simulator';
const publishedDefault = 'default of the published simulator: four times off-chip bandwidth';
const publishedLaunch = 'published simulator: 8 µs once an operator';
const capacityOnly = 'data sheet; not used by the published model';

const gpuCommon = {
  kind: 'gpu',
  cacheBandwidthRatio: 4,
  launchMs: 0.008,
} as const;

const publishedGpu = (
  fields: Omit<Device, 'source' | 'kind' | 'cacheBandwidthRatio' | 'launchMs' | 'sources'> &
    Partial<Pick<Device, 'cacheBandwidthRatio'>>,
): Device => ({
  ...gpuCommon,
  ...fields,
  source: published,
  sources: {
    cacheBandwidthRatio: fields.cacheBandwidthRatio === undefined ? publishedDefault : published,
    cacheBytes: capacityOnly,
    launchMs: publishedLaunch,
  },
});

const table: readonly Device[] = [
  publishedGpu({
    name: 'v100',
    processingEngines: 80,
    lanes: 64,
    frequencyHz: 1.5e9,
    memoryBandwidth: 700e9,
    cacheBytes: 6 * 2 ** 20,
    nominalBatch: 128,
  }),
  publishedGpu({
    name: 'rtx3090',
    processingEngines: 82,
    lanes: 128,
    frequencyHz: 1.25e9,
    memoryBandwidth: 936e9,
    cacheBandwidthRatio: 1,
    cacheBytes: 6 * 2 ** 20,
    nominalBatch: 128,
  }),
  publishedGpu({
    name: 'rtx3060',
    processingEngines: 28,
    lanes: 128,
    frequencyHz: 1.777e9,
    memoryBandwidth: 360e9,
    cacheBytes: 3 * 2 ** 20,
    nominalBatch: 128,
  }),
  publishedGpu({
    name: 'tx2',
    processingEngines: 2,
    lanes: 128,
    frequencyHz: 1.3e9,
    memoryBandwidth: 59.7e9,
    cacheBytes: 512 * 2 ** 10,
    nominalBatch: 1,
  }),
  publishedGpu({
    name: 'nano',
    processingEngines: 1,
    lanes: 128,
    frequencyHz: 0.921e9,
    memoryBandwidth: 25.6e9,
    cacheBytes: 256 * 2 ** 10,
    nominalBatch: 1,
  }),
  {
    ...gpuCommon,
    name: 'gtx1080',
    source:
      'NVIDIA GeForce GTX 1080 whitepaper: 20 SMs of 128 cores, boost 1733 MHz, GDDR5X 320 GB/s, 2 MiB L2',
    processingEngines: 20,
    lanes: 128,
    frequencyHz: 1.733e9,
    memoryBandwidth: 320e9,
    cacheBytes: 2 * 2 ** 20,
    nominalBatch: 128,
    sources: { cacheBandwidthRatio: publishedDefault, launchMs: publishedLaunch },
  },
  {
    ...gpuCommon,
    name: 'a100',
    source:
      'NVIDIA A100 whitepaper, SXM 40 GB: 108 SMs of 64 FP32 cores, boost 1410 MHz, HBM2 1555 GB/s, 40 MiB L2',
    processingEngines: 108,
    lanes: 64,
    frequencyHz: 1.41e9,
    memoryBandwidth: 1555e9,
    cacheBandwidthRatio: 4.64,
    cacheBytes: 40 * 2 ** 20,
    nominalBatch: 128,
    sources: {
      cacheBandwidthRatio: 'whitepaper: 5120 bytes a clock from L2, over 1555 GB/s',
      launchMs: publishedLaunch,
    },
  },
  {
    ...gpuCommon,
    name: 'h100',
    source:
      'NVIDIA H100 data sheet, SXM: 132 SMs of 128 FP32 cores, 67 TFLOP/s (1980 MHz), HBM3 3.35 TB/s, 50 MiB L2',
    processingEngines: 132,
    lanes: 128,
    frequencyHz: 1.98e9,
    memoryBandwidth: 3350e9,
    cacheBytes: 50 * 2 ** 20,
    nominalBatch: 128,
    sources: { cacheBandwidthRatio: publishedDefault, launchMs: publishedLaunch },
  },
  {
    ...gpuCommon,
    name: 'h200',
    source: 'NVIDIA H200 data sheet, SXM: compute as H100 (67 TFLOP/s), HBM3e 4.8 TB/s, 50 MiB L2',
    processingEngines: 132,
    lanes: 128,
    frequencyHz: 1.98e9,
    memoryBandwidth: 4800e9,
    cacheBytes: 50 * 2 ** 20,
    nominalBatch: 128,
    sources: { cacheBandwidthRatio: publishedDefault, launchMs: publishedLaunch },
  },
  {
    name: 'cpu-avx2',
    kind: 'cpu',
    source:
      'a generic desktop: 8 cores at 3.5 GHz, two 256-bit FMA units each, DDR4-3200 on two channels, 32 MiB L3',
    processingEngines: 8,
    lanes: 16,
    frequencyHz: 3.5e9,
    memoryBandwidth: 51.2e9,
    cacheBandwidthRatio: 8,
    cacheBytes: 32 * 2 ** 20,
    launchMs: 0.003,
    nominalBatch: 1,
    sources: {
      cacheBandwidthRatio: 'about 50 GB/s a core from L3, eight cores, over 51.2 GB/s',
      launchMs: 'waking a pool of threads and returning: a few microseconds',
    },
  },
  {
    name: 'cpu-avx512',
    kind: 'cpu',
    source:
      'a generic server part: 8 cores at 3.0 GHz, two 512-bit FMA units each, DDR5-4800 on two channels, 32 MiB L3',
    processingEngines: 8,
    lanes: 32,
    frequencyHz: 3e9,
    memoryBandwidth: 76.8e9,
    cacheBandwidthRatio: 6,
    cacheBytes: 32 * 2 ** 20,
    launchMs: 0.003,
    nominalBatch: 1,
    sources: {
      cacheBandwidthRatio: 'about 60 GB/s a core from L3, eight cores, over 76.8 GB/s',
      launchMs: 'waking a pool of threads and returning: a few microseconds',
    },
  },
];

/** Name of a device that comes with Fovea; in lower case editors offer it. */
export type DeviceName =
  | 'v100'
  | 'rtx3090'
  | 'rtx3060'
  | 'tx2'
  | 'nano'
  | 'gtx1080'
  | 'a100'
  | 'h100'
  | 'h200'
  | 'cpu-avx2'
  | 'cpu-avx512'
  | (string & Record<never, never>);

/** Names by which the published tables call devices that have a fuller name here. */
const aliases: Readonly<Record<string, string>> = { 3090: 'rtx3090', 3060: 'rtx3060' };

/** The devices that come with Fovea, in the order of the table. */
export const devices: readonly Device[] = table.map((device) => Object.freeze(checkDevice(device)));

/** Names accepted by `getDevice`. */
export function deviceNames(): string[] {
  return devices.map(({ name }) => name);
}

/**
 * A device that comes with Fovea.
 * @param name such as `v100`; case does not matter
 * @throws FoveaError `unknown-name`, listing the names there are
 *
 * @example
 * ```ts
 * import { builtNetwork, getDevice, predict } from '@fovea/engine';
 *
 * const half = { ...getDevice('v100'), name: 'half a V100', processingEngines: 40 };
 * console.log(predict(builtNetwork('resnet50'), { device: half, rate: 0.5 }).totalMs);
 * ```
 */
export function getDevice(name: DeviceName): Device {
  expectArgument(name, aText, 'device');
  const wanted = name.toLowerCase();
  const found = devices.find((device) => device.name === (aliases[wanted] ?? wanted));
  if (!found) {
    throw new FoveaError(
      'unknown-name',
      `device '${name}' is not known: choose ${deviceNames().join(', ')}, this-machine (after fovea calibrate), this-gpu (after fovea calibrate --backend webgpu), or pass a device object${didYouMean(name, [...deviceNames(), 'this-machine', 'this-gpu'])}`,
    );
  }
  return found;
}
