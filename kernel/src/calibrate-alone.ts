import { underLock } from '@fovea/engine/files';
import { calibrationLock } from '@fovea/engine/internal';
import { type CalibrateOptions, type CalibrationResult, calibrate } from '@fovea/engine/predict';
import { measureAlone } from './measure-alone.js';

/**
 * Calibrates this machine while no other process does, or measures points of a sweep: each would measure the other.
 * @param wait waits for another calibration to end instead of failing
 * @throws FoveaError `bad-argument` while another calibration is under way, and as `calibrate` does
 */
export async function calibrateAlone(
  options: CalibrateOptions = {},
  { wait = false }: { readonly wait?: boolean } = {},
): Promise<CalibrationResult> {
  const measure = () => measureAlone(() => calibrate(options));
  if (options.store === false) return measure();
  return underLock(calibrationLock(), 'a calibration', measure, { wait });
}
