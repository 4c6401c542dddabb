import type { Convolution, PoolNode, ProjectionPool } from './network.js';
import { convolutionOutput } from './shapes.js';

type Window = Pick<PoolNode, 'kernel' | 'stride' | 'padding' | 'ceilMode' | 'countIncludePad'>;

/** The pool before a projection, as a pool of any kind. */
export function windowOf({ size, ceilMode }: ProjectionPool): Window {
  return { kernel: size, stride: size, padding: [0, 0, 0, 0], ceilMode, countIncludePad: false };
}

/** Extents of what the pool before a projection makes of a map; of the map itself without one. */
export function pooledForProjection(
  pool: ProjectionPool | undefined,
  height: number,
  width: number,
): { readonly height: number; readonly width: number } {
  if (!pool) return { height, width };
  const along = (extent: number, size: number) =>
    pool.ceilMode ? Math.ceil(extent / size) : Math.floor(extent / size);
  return { height: along(height, pool.size[0]), width: along(width, pool.size[1]) };
}

/** Extents of a block's shortcut for an input of that size. */
export function shortcutOutput(
  {
    projection,
    projectionPool,
  }: { readonly projection?: Convolution; readonly projectionPool?: ProjectionPool },
  height: number,
  width: number,
): { readonly height: number; readonly width: number } {
  const read = pooledForProjection(projectionPool, height, width);
  return projection ? convolutionOutput(projection, read.height, read.width) : read;
}
