import type { Interpolation } from './network.js';

/** Every way of making a map larger, in the order of `Interpolation` in engine/native/common/sampling.h. */
export const interpolations = [
  'nearest',
  'half-pixel',
  'align-corners',
  'asymmetric',
] as const satisfies readonly Interpolation[];

/**
 * Where position `p` of a larger map lies along an axis of the smaller one: at `(step · p + offset) / per`, within the
 * smaller one's extent. Whole numbers, so that every backend finds the same pixels.
 */
export interface Sampling {
  readonly step: number;
  readonly offset: number;
  readonly per: number;
}

/**
 * The sampling of an axis, by ONNX's `coordinate_transformation_mode`.
 * @param extent of the smaller map
 * @param factor by which it is made larger
 */
export function samplingOf(interpolation: Interpolation, extent: number, factor: number): Sampling {
  switch (interpolation) {
    case 'half-pixel':
      return { step: 2, offset: 1 - factor, per: 2 * factor };
    case 'align-corners':
      return { step: extent - 1, offset: 0, per: Math.max(1, extent * factor - 1) };
    case 'nearest':
    case 'asymmetric':
      return { step: 1, offset: 0, per: factor };
  }
}
