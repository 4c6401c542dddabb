import { calibrationOf } from '../calibration.js';
import { gpuCalibrationOf } from '../gpu/gpu-calibration.js';
import { gpuCosts } from '../gpu/gpu-costs.js';
import type { Setting } from '../options.js';
import { calibratedCosts, pricesOf } from './calibrated.js';
import type { CostedProgram, RegionCounts } from './costed-program.js';
import type { PassCosts } from './pass-times.js';
import { rooflineCosts } from './roofline.js';

/**
 * Predicts every pass of a program on the device of `setting`: by what the native kernels would do where the device
 * was calibrated and the addon is there to say so, by the dispatches of a calibrated GPU, by a roofline over the program's work otherwise.
 */
export function passCosts(program: CostedProgram, counts: RegionCounts, setting: Setting): PassCosts {
  const { device, threads } = setting;
  const gpu = gpuCalibrationOf(device);
  if (gpu) return gpuCosts(program, counts, gpu);
  const calibration = calibrationOf(device);
  const prices = calibration && pricesOf(calibration, threads);
  return prices
    ? calibratedCosts(program, counts, prices, calibration, setting)
    : rooflineCosts(program, counts, device, threads);
}
