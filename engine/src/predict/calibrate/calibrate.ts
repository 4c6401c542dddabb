import { expectOptions, type Kinds } from '../../arguments/expect.js';
import { aFlag, aFunction, aNumber, anObject, aSignal } from '../../arguments/kinds.js';
import { checkDataFolder } from '../../data-folder.js';
import { FoveaError } from '../../errors.js';
import { getBackend } from '../../run/backends.js';
import { calibrationOf, type NativeFit } from '../calibration.js';
import { calibrateGpu } from '../gpu/calibrate-gpu.js';
import { readCalibration, storeCalibration } from '../this-machine.js';
import { Calibrator, coreCount, threadCounts } from './calibrator.js';
import { withOtherStates } from './core-distance.js';
import { type CalibrateOptions, type CalibrationResult, calibrationSeconds } from './options.js';

const calibrateOptionKinds: Kinds<CalibrateOptions> = {
  signal: aSignal,
  onProgress: aFunction,
  seconds: aNumber,
  backend: anObject,
  store: aFlag,
};

/**
 * Measures the machine that this runs on: times every kind of pass that the native backend makes, at shapes
 * chosen at random, and finds what a unit of each kind of work costs. The result is stored in the user's data
 * folder and is the device `this-machine` from then on.
 *
 * @throws FoveaError `backend-unavailable` where there is no native backend, `aborted`, `io`
 */
export async function calibrate(options: CalibrateOptions = {}): Promise<CalibrationResult> {
  expectOptions(options, calibrateOptionKinds, 'calibrate');
  const { signal, onProgress, seconds = calibrationSeconds, store = true } = options;
  if (!(seconds > 0 && seconds <= 3600))
    throw new FoveaError('bad-argument', `seconds ${seconds}: a number above 0, at most 3600, is accepted`);
  if (store) checkDataFolder();
  const backend = options.backend ?? getBackend('native');
  if (backend.name === 'webgpu') return calibrateGpu(options);
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1e3;
  onProgress?.(0, 'peak arithmetic, cache and bandwidths');
  const calibrator = await Calibrator.open(backend, signal);
  try {
    await calibrator.record({
      threads: threadCounts(coreCount()),
      seconds: seconds - elapsed(),
      signal,
      onTrial: (what) => onProgress?.(Math.min(0.99, elapsed() / seconds), what),
    });
    const device = calibrator.device(withEarlierStates);
    const path = store ? storeCalibration(device, calibrator.isa) : undefined;
    onProgress?.(1, 'done');
    const { slowdown } = calibrator;
    return { device, seconds: elapsed(), slowdown, ...(path === undefined ? {} : { path }) };
  } finally {
    calibrator.dispose();
  }
}

/** With the stored calibration's fits for states that the new one did not see. */
function withEarlierStates(fits: readonly NativeFit[], isa: string): readonly NativeFit[] {
  const stored = readCalibration().device;
  const earlier = stored && calibrationOf(stored);
  return earlier?.isa === isa ? withOtherStates(fits, earlier.fits) : fits;
}
