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
}

/** True for a convolution that Winograd's algorithm can compute, were it wide enough. */
export function isSquareable({ kernel, stride, dilation, groups }: Convolution): boolean {
  return (
    kernel.every((k) => k === 3) &&
    stride.every((s) => s === 1) &&
    dilation.every((d) => d === 1) &&
    groups === 1
  );
}

/** How many bands a stream is cut into, and the bytes of weights that every band reads. */
export function bandsOf(
  passes: readonly StreamedPass[],
  threads: number,
): { readonly calls: number; readonly streamWeightBytes: number } {
  const last = passes[passes.length - 1]!;
  let bytes = 0;
  let streamWeightBytes = 0;
  for (const { convolution, pixels } of passes) {
    const larger = isSquareable(convolution) ? winogradProducts / 9 : 1;
    streamWeightBytes += 4 * convolution.weight.length * larger;
    if (convolution !== last.convolution)
      bytes += (4 * convolution.outChannels * pixels) / Math.max(1, last.pixels);
  }
  const band = Math.max(fewestPixels, (threads * bandBytes) / Math.max(1, bytes));
  return { calls: Math.max(1, Math.ceil(last.pixels / band)), streamWeightBytes };
}
