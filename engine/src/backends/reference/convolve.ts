import type { Region } from '../../mask/regions.js';
import type { Convolution, LayerNormalisation } from '../../network/network.js';
import { convolutionOutput } from '../../network/shapes.js';
import { Tensor } from '../../tensor.js';
import { activate } from './activate.js';

/**
 * A direct convolution at the pixels of `region`, in plain loops: the specification that the other backends
 * are tested against. Pixels outside the region are left 0.
 *
 * @param input `[N, H, W, inChannels]`
 * @returns `[N, H', W', outChannels]`
 */
export function convolve(input: Tensor, convolution: Convolution, region: Region = 'all'): Tensor {
  const [N, H, W, C] = input.shape;
  const {
    kernel,
    stride,
    padding,
    dilation,
    groups,
    outChannels: K,
    weight,
    bias,
    activation,
    slopes,
    normalisation,
    maximum,
  } = convolution;
  const { height, width } = convolutionOutput(convolution, H, W);
  const output = Tensor.zeros([N, height, width, K]);
  const [inGroup, outGroup] = [C / groups, K / groups];
  const taps = kernel[0] * kernel[1];
  const sums = new Float64Array(K);
  for (let n = 0; n < N; n++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const pixel = (n * height + y) * width + x;
        if (region !== 'all' && !region[pixel]) continue;
        for (let k = 0; k < K; k++) sums[k] = maximum ? Number.NEGATIVE_INFINITY : bias[k]!;
        for (let ky = 0; ky < kernel[0]; ky++) {
          const sourceY = y * stride[0] - padding[0] + ky * dilation[0];
          if (sourceY < 0 || sourceY >= H) continue;
          for (let kx = 0; kx < kernel[1]; kx++) {
            const sourceX = x * stride[1] - padding[1] + kx * dilation[1];
            if (sourceX < 0 || sourceX >= W) continue;
            const source = ((n * H + sourceY) * W + sourceX) * C;
            const tap = ky * kernel[1] + kx;
            for (let k = 0; k < K; k++) {
              const first = source + Math.floor(k / outGroup) * inGroup;
              let sum = 0;
              for (let c = 0; c < inGroup; c++) {
                sum += input.data[first + c]! * weight[(k * inGroup + c) * taps + tap]!;
              }
              sums[k] = maximum ? Math.max(sums[k]!, sum) : sums[k]! + sum;
            }
          }
        }
        if (normalisation) normalise(sums, normalisation);
        for (let k = 0; k < K; k++) output.data[pixel * K + k] = activate(sums[k]!, activation, slopes?.[k]);
      }
    }
  }
  return output;
}

/** Normalises the channels of one pixel in place. The variance is that of centred values: a large mean takes nothing from it. */
export function normalise(
  values: Float64Array,
  { scale, shift, epsilon, centred = true }: LayerNormalisation,
): void {
  const mean = !centred ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const inverse = 1 / Math.sqrt(variance + epsilon);
  for (let k = 0; k < values.length; k++) values[k] = (values[k]! - mean) * inverse * scale[k]! + shift[k]!;
}
