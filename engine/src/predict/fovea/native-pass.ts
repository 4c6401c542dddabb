import type { Convolution } from '../../network/network.js';
import { wholeSquares } from './coverage.js';
import type { NativeConvolution } from './native-convolution.js';
import { computesSquares } from './native-squares.js';

/** A map of activations, without its channels. */
export interface MapExtent {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/**
 * One pass of a convolution.
 * @param map its output
 * @param inputPixels of the input map that are read
 * @param share of the output pixels that are computed
 */
export function convolutionPass(
  convolution: Convolution,
  map: MapExtent,
  inputPixels: number,
  share = 1,
): NativeConvolution {
  const { kernel, stride, inChannels, outChannels, groups } = convolution;
  const wholePixels = map.batch * map.height * map.width;
  const pixels = share * wholePixels;
  const squares = wholeSquares(map.batch, map);
  return {
    wholePixels,
    pixels,
    wholeSquares: squares,
    squares,
    expected: false,
    calls: 1,
    residual: false,
    inChannels,
    outChannels,
    taps: kernel[0] * kernel[1],
    kernelWidth: kernel[1],
    stride: stride[1],
    squareable: computesSquares(convolution),
    mapWidth: map.width,
    groups,
    inputBytes: 4 * inputPixels * inChannels,
    outputBytes: 4 * pixels * outChannels,
  };
}
