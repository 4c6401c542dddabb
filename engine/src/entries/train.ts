/**
 * Data sets, training, fitting and judging of maskers, and files of weights.
 *
 * @module @fovea/engine/train
 * @packageDocumentation
 */
// Registers the strategy `auto`.
import '../predict/auto.js';

export type { CheckpointConfig } from '../network/checkpoint/config.js';
export {
  float32Of,
  type NamedTensor,
  parseSafetensors,
  type Safetensors,
  type StoredTensor,
  writeSafetensors,
} from '../network/checkpoint/safetensors.js';
export { readSafetensors } from '../network/checkpoint/safetensors-file.js';
export { saveNetwork } from '../network/stored/save.js';
export {
  type AdaptedBlock,
  type AdaptOptions,
  type AdaptResult,
  adaptMaskers,
  type KeptState,
} from '../train/adapt/adapt.js';
export type { AdaptProgress } from '../train/adapt/clock.js';
export type { Architecture } from '../train/architecture.js';
export type { Interval } from '../train/bootstrap-interval.js';
export { type CompareOptions, type Comparison, compareMaskers } from '../train/compare.js';
export { imagesOf } from '../train/data/batches.js';
export {
  type CropOptions,
  type PhotoCropOptions,
  type PhotoOptions,
  type Photos,
  photoCrops,
  randomCrop,
  readPhotos,
} from '../train/data/crops.js';
export { type Dataset, type GenerateOptions, generateDataset } from '../train/data/dataset.js';
export {
  type FolderDataset,
  type FolderOptions,
  readImageFolder,
  splitDataset,
} from '../train/data/folder.js';
export { loadRecipeData, type RecipeData } from '../train/data/load.js';
export { objectLabels } from '../train/data/objects.js';
export { type EvaluateOptions, measureAccuracy } from '../train/evaluate.js';
export type { BlockRates, Evaluation, Pair } from '../train/evaluation.js';
export { type ModelDescription, saveModel, trainedNetwork } from '../train/export.js';
export { type Agreement, type AgreementOptions, measureAgreement } from '../train/fit/agreement.js';
export { type BlockFit, type FitOptions, type FitResult, fitMaskers } from '../train/fit/fit.js';
export { type BlockObservation, type ObserveOptions, observeBlocks } from '../train/fit/observe.js';
export type { BlockMeasurement, Measurement } from '../train/measure-in-training.js';
export type { StageCoverage } from '../train/object-coverage.js';
export {
  type MaskOptimisation,
  type Optimisation,
  parseRecipe,
  type Recipe,
  readRecipe,
} from '../train/recipe.js';
export { type TrainOptions, type TrainProgress, type TrainResult, train } from '../train/train.js';
export { canTrain } from '../train/train-program.js';
