import { inferAddon } from '../../backends/native/addon.js';
import { thisProcessor } from '../../backends/processor.js';
import type { Device } from '../../plan/device.js';
import { fitFor, type NativeCalibration } from '../calibration.js';
import { checkDevice } from '../check-device.js';
import type { Peaks } from './peaks.js';

/** The device `this-machine` of a calibration on this machine. */
export function calibratedDevice(calibration: NativeCalibration, peaks: Peaks, cores: number): Device {
  const lanes = 2 * inferAddon().inferLanes(calibration.isa)!;
  const most = Math.max(...calibration.fits.map(({ threads }) => threads));
  const perPass = fitFor(calibration, most)!.costs;
  return checkDevice({
    name: 'this-machine',
    kind: 'cpu',
    source: `measured on ${thisProcessor()}, ${calibration.isa} kernels`,
    processingEngines: cores,
    lanes,
    frequencyHz: peaks.multiplyAdds / (lanes * cores),
    memoryBandwidth: peaks.memoryBandwidth,
    cacheBandwidthRatio: Math.max(1, peaks.cacheBandwidth / peaks.memoryBandwidth),
    cacheBytes: calibration.machine.farBytes,
    launchMs: perPass.passes!,
    nominalBatch: 1,
    sources: {
      lanes: 'two multiply-add units of a vector each',
      frequencyHz:
        'attained multiply-adds a second over lanes and cores: below the clock by what kernels lose',
      memoryBandwidth: 'element-wise pass over a map of twice the last-level cache, or what memory allows',
      cacheBandwidthRatio: 'element-wise pass over a map that fits, over that bandwidth',
      cacheBytes: 'where reading ever larger pieces of memory becomes slower; at most what is listed',
    },
    calibration: calibration as unknown as Readonly<Record<string, unknown>>,
  });
}
