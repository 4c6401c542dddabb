/** What a batch normalisation holds at inference; one value per channel each. */
export interface BatchNorm {
  readonly scale: ArrayLike<number>;
  readonly shift: ArrayLike<number>;
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
  readonly epsilon: number;
}

/**
 * Folds `y = scale · (conv(x) − mean) / √(variance + ε) + shift` into the convolution before it, in double
 * precision.
 * @param weight `(outChannels, …)`, any number of values per output channel
 * @param bias the convolution's own bias, if it had one
 */
export function foldBatchNorm(
  weight: Float32Array,
  bias: Float32Array | undefined,
  { scale, shift, mean, variance, epsilon }: BatchNorm,
): { weight: Float32Array<ArrayBuffer>; bias: Float32Array<ArrayBuffer> } {
  const channels = scale.length;
  const perChannel = weight.length / channels;
  const folded = { weight: new Float32Array(weight.length), bias: new Float32Array(channels) };
  for (let c = 0; c < channels; c++) {
    const factor = scale[c]! / Math.sqrt(variance[c]! + epsilon);
    for (let i = c * perChannel; i < (c + 1) * perChannel; i++) folded.weight[i] = weight[i]! * factor;
    folded.bias[c] = ((bias?.[c] ?? 0) - mean[c]!) * factor + shift[c]!;
  }
  return folded;
}
