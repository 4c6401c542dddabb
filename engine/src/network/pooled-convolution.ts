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
