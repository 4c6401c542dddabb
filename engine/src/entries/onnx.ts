/**
 * ONNX files: reading and writing networks, and onnxruntime's dense execution for comparison.
 *
 * @module @fovea/engine/onnx
 * @packageDocumentation
 */
export { type DenseOptions, type DenseSession, openDense } from '../backends/onnx/dense.js';
export { importOnnx } from '../network/onnx/import-onnx.js';
export type { OnnxFiles } from '../network/onnx/storage.js';
export { type OnnxOptions, toOnnx, toOnnxWithExternalData } from '../network/onnx/write.js';
