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

/** What a pass of a block's plan does otherwise than one over a whole map by itself. */
export type PassVariation = {
  readonly [Key in
    | 'squares'
    | 'expected'
    | 'calls'
    | 'residual'
    | 'inputStreamed'
    | 'outputStreamed'
    | 'streamWeightBytes'
    | 'listedRuns']?: NativeConvolution[Key] | undefined;
} & {
  /** Fraction of the output pixels that are computed. */
  readonly share?: number;
};

const whole: PassVariation = {};

/**
 * One pass of a convolution.
 * @param map its output
 * @param inputPixels of the input map that are read
 */
export function convolutionPass(
  convolution: Convolution,
  map: MapExtent,
  inputPixels: number,
  how: PassVariation = whole,
): NativeConvolution {
  const { kernel, stride, inChannels, outChannels, groups } = convolution;
  const wholePixels = map.batch * map.height * map.width;
  const pixels = (how.share ?? 1) * wholePixels;
  const squares = wholeSquares(map.batch, map);
  return {
    wholePixels,
    pixels,
    wholeSquares: squares,
    squares: how.squares ?? squares,
    expected: how.expected ?? false,
    calls: how.calls ?? 1,
    residual: how.residual ?? false,
    inputStreamed: how.inputStreamed ?? false,
    outputStreamed: how.outputStreamed ?? false,
    streamWeightBytes: how.streamWeightBytes ?? 0,
    listedRuns: how.listedRuns ?? 0,
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
