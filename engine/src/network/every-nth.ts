import type { Convolution } from './network.js';

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
