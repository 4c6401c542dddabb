import { createRequire } from 'node:module';
import { networkShapes } from '../../network/walk.js';
import { installCommand, loadRuntime } from '../../onnxruntime.js';
import type { Backend } from '../backend.js';
import { OnnxSession } from './session.js';

/**
 * onnxruntime on the CPU: a program's operations as graphs, dense ones in its own kernels, those at the pixels of a region as
 * gather → matrix product → scatter on rows of pixels. It runs wherever onnxruntime does, with no compiler, but its work happens on the thread
 * that calls it, and gathering costs what the native backend does not pay.
 */
export const onnxBackend: Backend = {
  name: 'onnx',
  get unavailable() {
    return reasonWhyNot();
  },
  async open(network, shape) {
    networkShapes(network, shape);
    await loadRuntime();
    const { batch, height, width } = shape;
    return new OnnxSession(network, [batch, height, width, network.inputShape.channels]);
  },
};

/** Undefined when the package is there; whether its library loads shows only when it is first used. */
function reasonWhyNot(): string | undefined {
  try {
    createRequire(import.meta.url).resolve('onnxruntime-node');
    return undefined;
  } catch {
    return (
      'onnxruntime-node is not installed, so neither dense baselines nor foreign nodes can run; ' +
      `install it with "${installCommand}"`
    );
  }
}
