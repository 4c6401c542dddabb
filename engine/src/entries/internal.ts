/**
 * What Fovea's own packages share. Not public: names here change without notice.
 */
export { describeGpu } from '../backends/webgpu/index.js';
export { checkFolder, dataFolder } from '../data-folder.js';
export { readFileBytes, refusal } from '../file.js';
export { decodeImage, imageFileName, imageFormats, looksLikeImage } from '../image/decode.js';
export { imageNetDeviation, imageNetMean, type PerChannel, statisticsOf } from '../image/normalise.js';
export { normalised } from '../image/preprocess.js';
export { type ImageSize, scaleImage } from '../image/scale.js';
export { checkExcitation } from '../mask/excitation.js';
export { checkRate } from '../mask/rate.js';
export { configKey } from '../network/checkpoint/config.js';
export { imageChannels } from '../network/image-channels.js';
export { looksLikeSafetensors, refusalWithoutOnnxruntime } from '../network/read.js';
export { isStoredNetwork } from '../network/stored/read.js';
export { checkModelPath } from '../network/stored/save.js';
export { storeNetwork } from '../network/stored/write.js';
export { learnShapes } from '../network/walk.js';
export {
  checkGranularity,
  parseGranularity,
  plainGranularity,
  resolveGranularity,
  stageCount,
} from '../plan/granularity.js';
export { shippedStrategyNames } from '../plan/strategies.js';
export { calibrationSeconds } from '../predict/calibrate/options.js';
export { gpuCalibrationOf } from '../predict/gpu/gpu-calibration.js';
export { readGpuCalibration } from '../predict/gpu/this-gpu.js';
export { resolveDevice } from '../predict/options.js';
export { calibrationLock } from '../predict/this-machine.js';
export { flopsLeft } from '../profile.js';
export { checkWritable, replaceFile } from '../replace-file.js';
export { ambientSignal } from '../run/ambient-signal.js';
export { shippedBackendNames } from '../run/backends.js';
export { measureInTurns } from '../run/in-turns.js';
export { defaultMasker, maskerNames, resolveMaskers } from '../run/maskers.js';
export { median } from '../run/median.js';
export { type CheckedRun, checkAgainstPlain, type PlainCheck } from '../run/plain-run.js';
export { defaultThreads, prepare } from '../run/prepare.js';
export { mostThreads } from '../threads.js';
export { holdingCheckpoint } from '../train/checkpoint-lock.js';
export {
  firstSkipped,
  leftOutOf,
  listClasses,
  type SkippedFile,
  spreadOver,
} from '../train/data/image-files.js';
export { readInputs } from '../train/data/read-below.js';
export { drawScene } from '../train/data/scene.js';
export { classIndices } from '../train/evaluation-tally.js';
export { compareOutputs } from '../train/fit/agreement.js';
export { shippedModelPath } from '../train/shipped.js';
