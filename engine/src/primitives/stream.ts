import type { Convolution } from '../network/network.js';

/**
 * True for a convolution of so few input channels that whole rows of its kernel are read at once, from a padded copy:
 * such a one does not stream.
 */
export function readsRows({ groups, inChannels, kernel, dilation }: Convolution): boolean {
  return groups === 1 && inChannels <= 4 && kernel[1] > 1 && dilation[1] === 1;
}

/**
 * True when, in a stream of these convolutions, the last may write over what the first reads: every row that it
 * writes needs as many rows beyond it as those in between reach, and the first goes on behind them.
 */
export function readsAhead(convolutions: readonly Convolution[]): boolean {
  const [first, ...rest] = convolutions;
  const reach = rest.reduce(
    (rows, { kernel, dilation, padding }) => rows + (kernel[0] - 1) * dilation[0] - padding[0],
    -first!.padding[0],
  );
  return reach >= 0 && convolutions.every(({ stride }) => stride[0] === 1);
}
