import type { ConvolutionActivation } from '@fovea/engine/backend';
import { slopeOf } from '../../../engine/src/network/activation.js';

/** Feature maps as PyTorch and ONNX order them: `data[((n · C + c) · H + y) · W + x]`. */
export interface Planes {
  readonly N: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
  readonly data: Float32Array;
}

/** One map a value, by its place. */
export function makePlanes(
  { N, C, H, W }: Omit<Planes, 'data'>,
  value: (n: number, c: number, y: number, x: number, at: number) => number,
): Planes {
  const data = new Float32Array(N * C * H * W);
  let at = 0;
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let y = 0; y < H; y++) for (let x = 0; x < W; x++, at++) data[at] = value(n, c, y, x, at);
  return { N, C, H, W, data };
}

/** An activation by its formula; `slope` is the channel's of a PReLU. */
export function activated(x: number, activation: ConvolutionActivation, slope = Number.NaN): number {
  switch (activation) {
    case 'prelu':
      return x > 0 ? x : slope * x;
    case 'none':
      return x;
    case 'relu':
      return Math.max(0, x);
    case 'relu6':
      return Math.min(6, Math.max(0, x));
    case 'silu':
      return x / (1 + Math.exp(-x));
    case 'sigmoid':
      return 1 / (1 + Math.exp(-x));
    case 'hardsigmoid':
      return Math.min(1, Math.max(0, x / 6 + 0.5));
    case 'hardswish':
      return x * Math.min(1, Math.max(0, x / 6 + 0.5));
    case 'mish':
      return x * Math.tanh(Math.log(1 + Math.exp(x)));
    case 'gelu':
      return x * normalDistribution(x);
    case 'gelu-tanh':
      return 0.5 * x * (1 + Math.tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
    default:
      return Math.max(x, 0) + slopeOf(activation) * Math.min(x, 0);
  }
}

/** By Simpson's rule over the density. */
function normalDistribution(x: number): number {
  const reach = Math.min(Math.abs(x), 8);
  const steps = 200;
  const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * density((reach * i) / steps);
  }
  const half = (sum * reach) / (3 * steps);
  return x > 0 ? 0.5 + half : 0.5 - half;
}
