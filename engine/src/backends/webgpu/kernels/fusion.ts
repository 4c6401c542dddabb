import { type Precision, vectorBytes } from '../kernel.js';
import type { ActivationKind } from './activation.js';
import type { TileSize } from './product.js';

/** Sizes of what a workgroup of a fusion computes: all channels between the convolutions, at some pixels. */
export interface FusionTile extends TileSize {
  readonly family: `fused ${64 | 32 | 16 | '8x8' | '4x4'}`;
  /** The pixels are a square of this side inside a cell, so that few pixels lie around them; left out, any pixels. */
  readonly side?: number;
}

/** Tiles to choose from, the largest first. Those of squares are small in other ways, to leave room for what lies around. */
export const FUSION_TILES: readonly FusionTile[] = [
  { family: 'fused 64', rows: 64, channels: 64, rowsEach: 4, vectorsEach: 1, depth: 4 },
  { family: 'fused 32', rows: 32, channels: 64, rowsEach: 4, vectorsEach: 1, depth: 4 },
  { family: 'fused 16', rows: 16, channels: 64, rowsEach: 4, vectorsEach: 1, depth: 4 },
  { family: 'fused 8x8', side: 8, rows: 64, channels: 32, rowsEach: 8, vectorsEach: 1, depth: 2 },
  { family: 'fused 4x4', side: 4, rows: 16, channels: 32, rowsEach: 2, vectorsEach: 1, depth: 4 },
];

/** A convolution that another one follows in the same dispatch. */
export interface Inner {
  /** Vectors of its output channels. */
  readonly vectors: number;
  readonly activation: ActivationKind;
}

/** What a fusion computes, besides the epilogue of its last convolution. */
export interface FusionKind {
  /** A convolution of one group before the core, computed wherever the core reads. */
  readonly head?: Inner;
  readonly core: {
    readonly depthwise: boolean;
    readonly kernel: readonly [number, number];
    readonly stride: readonly [number, number];
    /** What of it the tail reads; left out when nothing follows. */
    readonly inner?: Inner;
  };
  /** True: cells that are not active are copied from the residual to the destination. */
  readonly copies: boolean;
}

/** What the core reads around a square of pixels. */
export function windowOf(side: number, { kernel, stride }: FusionKind['core']) {
  const along = (axis: 0 | 1) => (side - 1) * stride[axis] + kernel[axis];
  return { height: along(0), width: along(1), pixels: along(0) * along(1) };
}

/** Vectors of each pixel of the window that are in workgroup memory at a time: a depthwise core needs no others. */
export function windowVectors({ channels }: TileSize, { head, core }: FusionKind): number {
  return core.depthwise ? Math.min(head!.vectors, channels / 4) : head!.vectors;
}

/** Bytes of workgroup memory that a kernel takes. */
export function fusedBytes(tile: FusionTile, kind: FusionKind, precision: Precision): number {
  const { rows, channels, depth, side } = tile;
  const { head, core } = kind;
  const window = side && head ? windowOf(side, core).pixels * windowVectors(tile, kind) : 0;
  const between = rows * (core.inner?.vectors ?? 0);
  const product = 16 * (rows + rows * depth + depth * channels);
  // WebGPU counts every array in whole vectors of 16 bytes.
  const values = (count: number) => 16 * Math.ceil((vectorBytes[precision] * count) / 16);
  return product + (side && head ? 4 * rows : 0) + values(window) + values(between);
}
