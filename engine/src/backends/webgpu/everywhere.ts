import type { ProgramMap } from '../../program/program.js';
import { GROUP, type Kernel, spread, vectors } from './kernel.js';
import { exportKernel, importKernel } from './kernels/maps.js';
import type { BufferUse, Launch } from './launch.js';

/** Pixels of a map over the batch. */
export function pixelsOf({ shape: [N, H, W] }: ProgramMap): number {
  return N * H * W;
}

/** A dispatch with an item for each vector of a map. */
export function everywhere(
  kernel: Kernel,
  map: ProgramMap,
  parameters: Readonly<Record<string, number>>,
  buffers: Readonly<Record<string, BufferUse>>,
): Launch {
  const items = pixelsOf(map) * vectors(map.shape[3]);
  const [x, z] = spread(Math.ceil(items / GROUP));
  return {
    kernel,
    parameters: { items, vectors: vectors(map.shape[3]), ...parameters },
    buffers,
    workgroups: [x, 1, z],
  };
}

/** From the CPU's values in `values` to a map. */
export function encodeImport(map: ProgramMap): Launch {
  return everywhere(importKernel, map, { channels: map.shape[3] }, { values: 'values', map: { map } });
}

/** From a map to the CPU's values in `values`. */
export function encodeExport(map: ProgramMap): Launch {
  return everywhere(exportKernel, map, { channels: map.shape[3] }, { values: 'values', map: { map } });
}
