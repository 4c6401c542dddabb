import type { Convolution } from '../../network/network.js';
import type { Operation } from '../../program/program.js';
import { type Precision, vectors } from './kernel.js';
import { PAIR_TILES, type PairTile, pairBytes } from './kernels/pair.js';
import { gemmSteps } from './kernels/product.js';
import type { Pair } from './variants.js';
import { methodOf } from './weights.js';

function isPointwise({ kernel, stride, padding, groups }: Convolution): boolean {
  return (
    groups === 1 && [...kernel, ...stride].every((size) => size === 1) && padding.every((size) => size === 0)
  );
}

/** Two operations that follow each other in a stream as a pair; undefined when no kernel does both. */
export function pairOf(first: Operation, second: Operation | undefined): Pair | undefined {
  if (first.kind !== 'convolve' || second?.kind !== 'convolve') return undefined;
  const reads = second.source === first.destination && second.residual !== first.destination;
  const samePixels = second.region === first.region && second.others === first.others;
  const plainFirst =
    methodOf(first.convolution) === 'gemm' && first.residual === undefined && first.activation !== 'prelu';
  return reads && samePixels && plainFirst && isPointwise(second.convolution) ? { first, second } : undefined;
}

/** Turns of the innermost loop of each workgroup, for both convolutions. */
export function pairSteps({ first, second }: Pair, tile: PairTile): number {
  const { kernel, inChannels, outChannels: between } = first.convolution;
  const columns = (channels: number) => Math.ceil(channels / tile.channels);
  const taps = kernel[0] * kernel[1];
  return (
    columns(between) * gemmSteps(taps * vectors(inChannels), tile) +
    columns(second.convolution.outChannels) * gemmSteps(vectors(between), tile)
  );
}

/** Whether a tile of a pair has room in `bytes` of workgroup memory. */
export function pairFits({ first }: Pair, tile: PairTile, precision: Precision, bytes: number): boolean {
  return pairBytes(tile, vectors(first.convolution.outChannels), precision) <= bytes;
}

/** A tile by what its kernels are called. */
export function pairTileOf(family: string | undefined): PairTile | undefined {
  return PAIR_TILES.find((tile) => tile.family === family);
}
