import { type Device, getDevice } from '@fovea/engine';
import { nativeAmounts } from '../../../engine/src/predict/program-cost/describer.js';
import { madeUpCalibration } from '../../../scripts/fuzz/made-up-calibration.mjs';

/**
 * A device with made-up costs, which predictions multiply the addon's descriptions with.
 *
 * @param costOf ms for a unit of an amount
 */
export function calibratedDevice(costOf?: (name: string, index: number) => number): Device {
  return { ...getDevice('cpu-avx2'), calibration: madeUpCalibration(nativeAmounts() ?? [], costOf) };
}
