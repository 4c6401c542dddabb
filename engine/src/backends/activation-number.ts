import { type ConvolutionActivation, isLeaky, plainActivations, slopeOf } from '../network/activation.js';

/**
 * An activation as one 32-bit integer for native kernels: its place in `Activation` of
 * engine/native/infer/kernels/kernel-table.h. A negative one is a leaky
 * ReLU: the bits of its slope as a float, the sign turned.
 */
export function activationNumber(activation: ConvolutionActivation): number {
  if (activation === 'prelu') return plainActivations.length;
  if (!isLeaky(activation)) return plainActivations.indexOf(activation);
  return new Int32Array(Float32Array.of(-slopeOf(activation)).buffer)[0]!;
}
