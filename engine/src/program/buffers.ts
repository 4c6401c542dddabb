import type { Shape } from '../tensor.js';
import { liveRanges } from './accesses.js';
import { type Dtype, dtypeBytes } from './dtype.js';
import type { Program } from './program.js';

/** Which maps share memory. */
export interface BufferPlan {
  /** Values that each buffer holds, all of one type. */
  readonly sizes: readonly number[];
  /** The buffer of each map, by id. */
  readonly bufferOf: Int32Array;
}

/** Number of values of a shape. */
export function valueCount([N, H, W, C]: Shape): number {
  return N * H * W * C;
}

/**
 * Assigns the maps of a finished program to buffers, so that two maps share one only when their values are
 * of one type and the last step that touches one of them comes before the first that touches the other.
 */
export function planBuffers(program: Pick<Program, 'maps' | 'steps' | 'input' | 'output'>): BufferPlan {
  const ranges = liveRanges(program);
  const sizes: number[] = [];
  const dtypes: Dtype[] = [];
  const bufferOf = new Int32Array(program.maps.length);
  const order = program.maps
    .map(({ id, shape, dtype }) => ({
      ...{ id, dtype, values: valueCount(shape) },
      range: ranges[id] ?? { first: -1, last: -1 },
    }))
    .sort((a, b) => a.range.first - b.range.first || a.id - b.id);
  // In order of becoming free, so that what was touched last is found last.
  const free = new Set<number>();
  let busy: { readonly buffer: number; readonly last: number }[] = [];
  for (const { id, dtype, values, range } of order) {
    for (const { buffer, last } of busy) if (last < range.first) free.add(buffer);
    busy = busy.filter(({ last }) => last >= range.first);
    const alike = [...free].filter((candidate) => dtypes[candidate] === dtype);
    const buffer = bestFit(alike, sizes, values) ?? sizes.push(0) - 1;
    dtypes[buffer] = dtype;
    free.delete(buffer);
    sizes[buffer] = Math.max(sizes[buffer]!, values);
    bufferOf[id] = buffer;
    busy.push({ buffer, last: range.last });
  }
  return { sizes, bufferOf };
}

/**
 * Bytes of memory that a program's maps take, with those that share it counted once; weights not included.
 *
 * @example
 * ```ts
 * import { builtNetwork } from '@fovea/engine';
 * import { mapBytes, programOf } from '@fovea/engine/backend';
 *
 * const network = builtNetwork('resnet50');
 * for (const strategy of ['unfused', 'streamed']) console.log(strategy, mapBytes(programOf(network, { strategy })));
 * ```
 */
export function mapBytes(program: Program): number {
  const { sizes, bufferOf } = planBuffers(program);
  const widths = new Map(program.maps.map(({ id, dtype }) => [bufferOf[id]!, dtypeBytes[dtype]]));
  return sizes.reduce((sum, values, buffer) => sum + values * (widths.get(buffer) ?? 0), 0);
}

/** The smallest free buffer that is large enough, or else the largest, which then grows. */
function bestFit(free: readonly number[], sizes: readonly number[], values: number): number | undefined {
  let chosen: number | undefined;
  for (const candidate of free) {
    const size = sizes[candidate]!;
    const best = chosen === undefined ? -1 : sizes[chosen]!;
    if (
      chosen === undefined ||
      (size >= values ? best < values || size < best : best < values && size > best)
    ) {
      chosen = candidate;
    }
  }
  return chosen;
}
