/**
 * The part of the engine that runs in a browser, without any Node built-in: trained networks from bytes, maskers and
 * plans, and execution on the browser's GPU.
 *
 * @packageDocumentation
 */
export type { Backend, RunOptions, RunResult, Session } from '../backends/backend.js';
export { type WebgpuOptions, webgpuBackend, webgpuBackendWith } from '../backends/webgpu/index.js';
export { FoveaError, type FoveaErrorCode } from '../errors.js';
export { customMasker } from '../mask/custom.js';
export { fixedMasker, type ImageRegion, regionMasker } from '../mask/fixed.js';
export { activeFraction } from '../mask/geometry.js';
export { learnedMasker } from '../mask/learned.js';
export type { Mask, MaskDecision, Masker, MaskerContext } from '../mask/mask.js';
export { randomMasker } from '../mask/random-masker.js';
export { saliencyMasker } from '../mask/saliency.js';
export {
  type BuiltNetworkName,
  type BuiltOptions,
  builtNetwork,
  builtNetworkNames,
} from '../network/built/index.js';
export { type Block, blocksOf, type Network } from '../network/network.js';
export { type ReadNetworkOptions, readNetwork } from '../network/read.js';
export { makePlan, type PlanOptions } from '../plan/make-plan.js';
export type { BlockPlan, Plan } from '../plan/plan.js';
export type { BlockTiming, KernelTiming, OpTiming, Profile } from '../profile.js';
export { measureInTurns, type Turns } from '../run/in-turns.js';
export { resolveMaskers } from '../run/maskers.js';

export { type Shape, Tensor } from '../tensor.js';
