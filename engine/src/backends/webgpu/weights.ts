import { FoveaError } from '../../errors.js';
import type { Convolution } from '../../network/network.js';
import { LARGEST_HALF, type Precision, vectors } from './kernel.js';
import type { GroupKind } from './kernels/direct.js';

/** How a convolution is computed: as a matrix product, or directly by the kind of its groups. */
export type Method = 'gemm' | GroupKind;

export function methodOf({ groups, inChannels, outChannels, maximum }: Convolution): Method {
  if (maximum) return 'maximum';
  if (groups === 1) return 'gemm';
  if (groups === inChannels && groups === outChannels) return 'depthwise';
  const wholeVectors = (inChannels / groups) % 4 === 0 && (outChannels / groups) % 4 === 0;
  return wholeVectors ? 'grouped' : 'mixed';
}

/** Input channels of a tap, as packed weights have them. */
function depthOf(convolution: Convolution): number {
  const { inChannels, groups } = convolution;
  return methodOf(convolution) === 'gemm' ? vectors(inChannels) * 4 : inChannels / groups;
}

/** Where the bias begins in packed weights, in vectors. */
export function biasVector(convolution: Convolution): number {
  const { kernel, outChannels } = convolution;
  return kernel[0] * kernel[1] * depthOf(convolution) * vectors(outChannels);
}

/** Where the slopes of a PReLU begin, in vectors. */
export function slopesVector(convolution: Convolution): number {
  return biasVector(convolution) + vectors(convolution.outChannels);
}

/** Where the scale of a normalisation begins, in vectors; its shift follows. */
export function scaleVector(convolution: Convolution): number {
  return slopesVector(convolution) + (convolution.slopes ? vectors(convolution.outChannels) : 0);
}

/**
 * Weights as the kernels read them: `[tap, input channel, output channel]`, output channels in whole vectors, and
 * behind them the bias, the slopes of a PReLU, and scale and shift of a normalisation. What fills up vectors is 0.
 */
export function packWeights(convolution: Convolution): Float32Array<ArrayBuffer> {
  const { kernel, inChannels, outChannels, groups, weight, bias, slopes, normalisation } = convolution;
  const taps = kernel[0] * kernel[1];
  const inGroup = inChannels / groups;
  const depth = depthOf(convolution);
  const width = vectors(outChannels) * 4;
  const behind = [bias, slopes, normalisation?.scale, normalisation?.shift].filter(
    (values) => values !== undefined,
  );
  const packed = new Float32Array((taps * depth + behind.length) * width);
  for (let k = 0; k < outChannels; k++) {
    for (let c = 0; c < inGroup; c++) {
      const from = (k * inGroup + c) * taps;
      for (let tap = 0; tap < taps; tap++) packed[(tap * depth + c) * width + k] = weight[from + tap]!;
    }
  }
  for (const [i, values] of behind.entries()) packed.set(values, (taps * depth + i) * width);
  return packed;
}

/** @throws FoveaError `unsupported` naming the layer when half precision does not hold one of its weights */
export function checkStored({ name }: Convolution, packed: Float32Array, precision: Precision): void {
  if (precision === 'f32') return;
  const beyond = packed.find((value) => Math.abs(value) > LARGEST_HALF);
  if (beyond === undefined) return;
  throw new FoveaError(
    'unsupported',
    `precision f16: ${name} has a weight of ${beyond}, and half precision ends at ${LARGEST_HALF}; f32 is accepted`,
  );
}

/** Values as bytes of the precision that kernels store. */
export function storedBytes(values: Float32Array<ArrayBuffer>, precision: Precision): ArrayBuffer {
  return precision === 'f32' ? values.buffer : Uint16Array.from(values, halfOf).buffer;
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** A number in IEEE half precision, rounded to nearest even. */
export function halfOf(value: number): number {
  single[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const exponent = (word >>> 23) & 0xff;
  const fraction = word & 0x7f_ffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction ? 0x200 : 0);
  const shifted = exponent - 112;
  if (shifted >= 31) return sign | 0x7c00;
  // Below the smallest normal number the leading one is written out and shifted further.
  const shift = shifted > 0 ? 13 : 14 - shifted;
  if (shift > 24) return sign;
  const whole = shifted > 0 ? (shifted << 23) | fraction : fraction | 0x80_0000;
  const half = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (half + (rest > middle || (rest === middle && half & 1) ? 1 : 0));
}
