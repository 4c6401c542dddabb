import type { Activation } from '../../network/network.js';

/** One value through an activation, as ONNX and PyTorch define them. */
export function activate(value: number, activation: Activation): number {
  switch (activation) {
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
  }
}
