import type { Convolution } from './network.js';

/**
 * A pointwise convolution behind an average pool whose windows tile the map, as one convolution of the pool's kernel
 * and stride: the shortcut of ResNet-D (He et al. 2018).
 */
export function behindAveragePool(
  pointwise: Convolution,
  [vertical, horizontal]: readonly [number, number],
): Convolution {
  const area = vertical * horizontal;
  const weight = new Float32Array(pointwise.weight.length * area);
  let at = 0;
  for (let i = 0; i < pointwise.weight.length; i++) {
    const share = pointwise.weight[i]! / area;
    for (let tap = 0; tap < area; tap++) weight[at++] = share;
  }
  return { ...pointwise, kernel: [vertical, horizontal], stride: [vertical, horizontal], weight };
}

/** One pixel of every window of that stride, the first, as a depthwise convolution: a pool whose kernel is 1x1. */
export function everyNth(
  name: string,
  channels: number,
  [vertical, horizontal]: readonly [number, number],
): Convolution {
  return {
    name,
    inChannels: channels,
    outChannels: channels,
    kernel: [1, 1],
    stride: [vertical, horizontal],
    padding: [0, 0, 0, 0],
    dilation: [1, 1],
    groups: channels,
    weight: new Float32Array(channels).fill(1),
    bias: new Float32Array(channels),
    activation: 'none',
  };
}
