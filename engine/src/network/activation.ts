/** `x` where it is positive, `slope · x` elsewhere; the slope is finite and not negative. */
export type LeakyRelu = `leaky-relu ${number}`;

/** Activations without a parameter, as ONNX and PyTorch define them; `gelu` by the error function, `gelu-tanh` by the hyperbolic tangent. */
export const plainActivations = [
  'none',
  'relu',
  'relu6',
  'silu',
  'hardswish',
  'sigmoid',
  'hardsigmoid',
  'mish',
  'gelu',
  'gelu-tanh',
] as const;

/** What follows an addition, or stands by itself: every value goes through it alike. */
export type Activation = (typeof plainActivations)[number] | LeakyRelu;

/** What follows a convolution; `prelu` is a leaky ReLU with a slope for each channel, which the convolution has. */
export type ConvolutionActivation = Activation | 'prelu';

const prefix = 'leaky-relu ';

/**
 * The leaky ReLU of a slope, ReLU for 0, written as shortly as float32 allows.
 * @returns undefined for a slope that is negative or no number
 */
export function leakyRelu(slope: number): Activation | undefined {
  if (!(slope >= 0 && Number.isFinite(slope))) return undefined;
  if (slope === 0) return 'relu';
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(slope.toPrecision(digits));
    if (Math.fround(short) === Math.fround(slope)) return `${prefix}${short}`;
  }
  return `${prefix}${slope}`;
}

/** True for a leaky ReLU. */
export function isLeaky(activation: ConvolutionActivation): activation is LeakyRelu {
  return activation.startsWith(prefix);
}

/** The slope of a leaky ReLU. */
export function slopeOf(activation: LeakyRelu): number {
  return Number(activation.slice(prefix.length));
}

/** True for the name of an activation without slopes of channels; a leaky ReLU's own must be finite and above 0. */
export function isActivation(value: unknown): value is Activation {
  if ((plainActivations as readonly unknown[]).includes(value)) return true;
  if (typeof value !== 'string' || !value.startsWith(prefix)) return false;
  const slope = slopeOf(value as LeakyRelu);
  return slope > 0 && Number.isFinite(slope);
}

/** True when `activation(x) = x` for whatever `made` can produce. */
export function leavesUnchanged(activation: ConvolutionActivation, made: ConvolutionActivation): boolean {
  switch (activation) {
    case 'none':
      return true;
    case 'relu':
      return ['relu', 'relu6', 'sigmoid', 'hardsigmoid'].includes(made);
    case 'relu6':
      return ['relu6', 'sigmoid', 'hardsigmoid'].includes(made);
    default:
      return false;
  }
}
