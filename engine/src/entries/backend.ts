/**
 * What a backend, a masker or a rewrite of your own builds on: networks as data, shapes, masks and regions, programs.
 *
 * @module @fovea/engine/backend
 * @packageDocumentation
 */
// Registers the strategy `auto`.
import '../predict/auto.js';

export type { Backend, BackendName, RunOptions, Session } from '../backends/backend.js';
export { type NativeOptions, nativeBackend, nativeBackendWith } from '../backends/native/index.js';
export { onnxBackend } from '../backends/onnx/index.js';
export { referenceBackend } from '../backends/reference/index.js';
export { type WebgpuOptions, webgpuBackend, webgpuBackendWith } from '../backends/webgpu/index.js';
export { decideMask } from '../mask/decide.js';
export type { Excitation } from '../mask/excitation.js';
export { cellOf, cellStart, type Grid, maskGrid, spreadCells } from '../mask/geometry.js';
export {
  activePixels,
  branchRegions,
  excitationRegion,
  maskStatistics,
  type Region,
  receptiveRegion,
  regionPixels,
} from '../mask/regions.js';
export type { BlockDescription, NodeDescription } from '../network/describe.js';
export type {
  Activation,
  ActivationNode,
  AddNode,
  Attention,
  AttentionPool,
  BlockKind,
  BlockNode,
  ConcatNode,
  Convolution,
  ConvolutionActivation,
  ConvolutionNode,
  ForeignNode,
  GlobalPoolNode,
  Interpolation,
  LayerNormalisation,
  LearnedMasker,
  MapStatistics,
  NetworkNode,
  NormaliseMapNode,
  PixelAttentionNode,
  PlainConvolution,
  PoolNode,
  ProjectionPool,
  ResizeNode,
  SliceNode,
} from '../network/network.js';
export type {
  HeadChannels,
  PixelAttention,
  PixelBias,
  PixelWeighting,
  PixelWindows,
} from '../network/pixel-attention.js';
export { type BlockShape, blockShape } from '../network/shapes.js';
export { type NetworkShapes, networkShapes, type ValueShape } from '../network/walk.js';
export type { Group } from '../plan/plan.js';
export type { Rewrite, RewriteTools } from '../plan/rewrite.js';
export { mapBytes } from '../program/buffers.js';
export { type CellOrder, cellOrder, orderCells } from '../program/cell-order.js';
export type { Operation, Program, ProgramMap, ProgramMask, ProgramRegion, Step } from '../program/program.js';
export { mergeSteps, splitStep, stepOf } from '../program/steps.js';
export { backendNames, getBackend, registerBackend } from '../run/backends.js';
export { type ProgramOptions, programOf } from '../run/program-of.js';
