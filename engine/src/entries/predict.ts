/**
 * Latency: calibration of this machine, published devices, search, and predictions checked by measurement.
 *
 * @module @fovea/engine/predict
 * @packageDocumentation
 */
// Registers the strategy `auto`.
import '../predict/auto.js';

export type { Calibration } from '../plan/device.js';
export type { Advice } from '../predict/advice.js';
export { calibrate } from '../predict/calibrate/calibrate.js';
export type { CalibrateOptions, CalibrationResult } from '../predict/calibrate/options.js';
export { calibrationOf, type NativeCalibration, type NativeFit } from '../predict/calibration.js';
export type { Candidate } from '../predict/candidate.js';
export { devices } from '../predict/devices.js';
export { type CostModelName, costModels } from '../predict/options.js';
export type { ParetoPoint } from '../predict/pareto.js';
export { publishedNetworks } from '../predict/published/networks.js';
export {
  predictFigure,
  predictRow,
  type ReferenceRow,
  type ReferenceTable,
  recomputeTable,
  rowOperators,
} from '../predict/published/rows.js';
export { type SearchOptions, type SearchResult, searchGranularity } from '../predict/search.js';
export type { BlockChoice, StageCandidate, StageChoice } from '../predict/search-stages.js';
export type { StoredCalibration } from '../predict/stored-calibration.js';
export {
  type CalibrationFile,
  calibrationPath,
  type Machine,
  readCalibration,
  storeCalibration,
  thisMachine,
} from '../predict/this-machine.js';
export {
  type CoreDistance,
  type ValidateOptions,
  type Validation,
  validatePredictions,
} from '../predict/validate.js';
export type {
  BlockComparison,
  Comparison,
  ErrorShares,
  PlanComparison,
  ValidationSummary,
} from '../predict/validation-summary.js';
export {
  type Benchmark,
  type BenchmarkOptions,
  type BenchmarkRow,
  benchmark,
  type Spread,
} from '../run/benchmark.js';
