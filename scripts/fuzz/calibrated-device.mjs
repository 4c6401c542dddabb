import { getDevice } from '../../engine/lib/index.js';
import { nativeAmounts } from '../../engine/lib/predict/program-cost/describer.js';
import { madeUpCalibration } from './made-up-calibration.mjs';

/** A device of the built engine whose predictions ask the addon what programs do. */
export function calibratedDevice() {
  return { ...getDevice('cpu-avx2'), name: 'calibrated', calibration: madeUpCalibration(nativeAmounts()) };
}
