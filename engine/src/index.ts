/**
 * Spatially adaptive inference: load a network, choose masks and a plan, predict and run it.
 *
 * @module @fovea/engine
 * @packageDocumentation
 */
// Registers the strategy `auto`.
import './predict/auto.js';

export type { RunResult } from './backends/backend.js';
export { FoveaError, type FoveaErrorCode } from './errors.js';
export { readImage } from './image/decode.js';
export { encodePng } from './image/encode.js';
export { type Preprocessing, type PreprocessOptions, preprocess } from './image/preprocess.js';
export { customMasker } from './mask/custom.js';
export { fixedMasker, type ImageRegion, regionMasker } from './mask/fixed.js';
export { activeFraction } from './mask/geometry.js';
export { learnedMasker } from './mask/learned.js';
export type { Mask, MaskDecision, Masker, MaskerContext } from './mask/mask.js';
export { randomMasker } from './mask/random-masker.js';
export { saliencyMasker } from './mask/saliency.js';
export {
  type BuiltNetworkName,
  type BuiltOptions,
  builtNetwork,
  builtNetworkNames,
} from './network/built/index.js';
export { describeNetwork, type NetworkDescription } from './network/describe.js';
export { type LoadOptions, loadNetwork } from './network/load.js';
export { type Block, blocksOf, type Network } from './network/network.js';
export type { Device } from './plan/device.js';
export type { Granularity } from './plan/granularity.js';
export { makePlan, type PlanOptions } from './plan/make-plan.js';
export type { BlockPlan, Plan, Primitive } from './plan/plan.js';
export { getStrategy, registerStrategy, strategyNames } from './plan/strategies.js';
export type { MaskStatistics, Strategy, StrategyContext, StrategyName } from './plan/strategy.js';
export { type DeviceName, deviceNames, getDevice } from './predict/devices.js';
export type { PredictOptions } from './predict/options.js';
export { predict } from './predict/predict.js';
export { primitives } from './primitives/registry.js';
export type { BlockTiming, KernelTiming, OpTiming, Profile } from './profile.js';
export { Random } from './random.js';
export { resolveMaskers } from './run/maskers.js';
export { medianProfile } from './run/median-profile.js';
export type { NetworkRunOptions } from './run/options.js';
export { programText } from './run/program-of.js';
export { run } from './run/run.js';
export { releaseNetwork } from './run/sessions.js';
export { type TopClass, topClasses } from './run/top-classes.js';
export { type Shape, Tensor } from './tensor.js';
export { loadShippedModel, type ShippedModelName, shippedModelNames } from './train/shipped.js';
