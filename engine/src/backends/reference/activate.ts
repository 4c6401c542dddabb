import { type ConvolutionActivation, slopeOf } from '../../network/activation.js';

/** One value through an activation, as ONNX and PyTorch define them; `slope` is the channel's of a PReLU. */
export function activate(value: number, activation: ConvolutionActivation, slope = 0): number {
  switch (activation) {
    case 'prelu':
      return value < 0 ? value * slope : value;
    case 'none':
      return value;
    case 'relu':
      return Math.max(value, 0);
    case 'relu6':
      return Math.min(Math.max(value, 0), 6);
    case 'sigmoid':
      return 1 / (1 + Math.exp(-value));
    case 'silu':
      return value / (1 + Math.exp(-value));
    case 'hardsigmoid':
      return Math.min(Math.max(value / 6 + 0.5, 0), 1);
    case 'hardswish':
      return value * Math.min(Math.max(value / 6 + 0.5, 0), 1);
    case 'mish':
      return value * Math.tanh(value > 30 ? value : Math.log1p(Math.exp(value)));
    case 'gelu':
      return (value / 2) * (1 + erf(value / Math.SQRT2));
    case 'gelu-tanh':
      return (value / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)));
    default:
      return value < 0 ? value * slopeOf(activation) : value;
  }
}

/** The error function by the series of Abramowitz and Stegun 7.1.6, whose terms all have one sign. */
function erf(z: number): number {
  if (Math.abs(z) > 6) return Math.sign(z);
  let term = z;
  let sum = z;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * z * z) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum;
}
