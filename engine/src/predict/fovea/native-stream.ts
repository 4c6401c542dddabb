import type { Convolution } from '../../network/network.js';
import { winogradProducts } from './native-packing.js';

/** Bytes of a band's intermediates, a thread, and the fewest pixels of a band: engine/native/infer/stream.cc. */
export const bandBytes = 192 * 1024;
const fewestPixels = 96;

/** One convolution of those that run band by band. */
export interface StreamedPass {
  readonly convolution: Convolution;
  /** Output pixels that it computes. */
  readonly pixels: number;
  /** True when it computes them in squares. */
  readonly inSquares: boolean;
}

export interface Bands {
  /** How many there are. */
  readonly calls: number;
  /** Bytes of weights that every band reads. */
  readonly streamWeightBytes: number;
}

/**
 * The bands that a stream is cut into: as many as keep the intermediates near, but none that reads more weights again
 * than it spares of intermediates.
 */
export function bandsOf(passes: readonly StreamedPass[], threads: number): Bands {
  let intermediateBytes = 0;
  let streamWeightBytes = 0;
  passes.forEach(({ convolution, pixels, inSquares }, i) => {
    streamWeightBytes += 4 * convolution.weight.length * (inSquares ? winogradProducts / 9 : 1);
    if (i < passes.length - 1) intermediateBytes += 4 * convolution.outChannels * pixels;
  });
  const fitting = Math.ceil(intermediateBytes / (threads * bandBytes));
  const paying = 1 + (2 * intermediateBytes) / streamWeightBytes;
  const most = Math.ceil(passes[passes.length - 1]!.pixels / fewestPixels);
  const calls = Math.max(1, Math.min(Math.floor(Math.min(fitting, paying)), most));
  return { calls, streamWeightBytes };
}
