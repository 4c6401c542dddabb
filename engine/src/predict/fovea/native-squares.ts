import type { Convolution } from '../../network/network.js';
import { winogradProducts } from './native-packing.js';

/** Fewest channels for which Winograd's algorithm is used. */
const fewestChannels = 16;

/** True for a convolution that may be computed in squares of 2 x 2 pixels: engine/native/infer/winograd.cc. */
export function computesSquares(convolution: Convolution): boolean {
  const { kernel, stride, dilation, groups, inChannels, outChannels } = convolution;
  return (
    kernel.every((k) => k === 3) &&
    stride.every((s) => s === 1) &&
    dilation.every((d) => d === 1) &&
    groups === 1 &&
    Math.min(inChannels, outChannels) >= fewestChannels
  );
}

/** True when whole squares cost less than single pixels: `winograd_pays` in engine/native/infer/winograd.cc. */
export function winogradPays(squares: number, pixels: number): boolean {
  const reading = 30;
  return winogradProducts * (1.1 * squares + reading) < 9 * (pixels + reading);
}
