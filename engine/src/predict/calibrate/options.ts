import type { Backend } from '../../backends/backend.js';
import type { Device } from '../../plan/device.js';

/** Measuring time to aim for when none is given, seconds. */
export const calibrationSeconds = 22;

/** How to calibrate; everything has a sensible default. */
export interface CalibrateOptions {
  readonly signal?: AbortSignal;
  /** Called with the fraction done, 0…1, and what is being measured. */
  readonly onProgress?: (fraction: number, what: string) => void;
  /** Measuring time to aim for, seconds; 22 when left out. */
  readonly seconds?: number;
  /**
   * Left out, the native backend. `webgpu` measures the GPU in as long as it takes: the device `this-gpu`. The times of
   * other ones are of no use for prediction but show the mechanism.
   */
  readonly backend?: Backend;
  /** False: measure, but leave the stored calibration as it is. */
  readonly store?: boolean;
}

/** What `calibrate` found. */
export interface CalibrationResult {
  readonly device: Device;
  /** Where it was stored; undefined when it was not. */
  readonly path?: string;
  readonly seconds: number;
  /**
   * How much slower the processor was most of the time than at its best: 0.05 is five percent. The figures stored are
   * of the usual speed; beyond a tenth, something else took part of it.
   */
  readonly slowdown: number;
}
