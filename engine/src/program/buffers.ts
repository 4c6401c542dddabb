import { expectArgument } from '../arguments/expect.js';
import { anObject, type Kind } from '../arguments/kinds.js';
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

/** Maps whose buffers are planned, by id. */
export interface PlannedMaps {
  /** Values of each. */
  readonly values: ArrayLike<number>;
  readonly dtypes: readonly Dtype[];
  /** The steps that first and last touch each; −1 for both where none does. */
  readonly first: ArrayLike<number>;
  readonly last: ArrayLike<number>;
}

/**
 * Assigns the maps of a finished program to buffers, so that two maps share one only when their values are
 * of one type and the last step that touches one of them comes before the first that touches the other.
 */
export function planBuffers(program: Pick<Program, 'maps' | 'steps' | 'input' | 'output'>): BufferPlan {
  const ranges = liveRanges(program);
  return assignBuffers({
    values: program.maps.map(({ shape }) => valueCount(shape)),
    dtypes: program.maps.map(({ dtype }) => dtype),
    first: ranges.map((range) => range?.first ?? -1),
    last: ranges.map((range) => range?.last ?? -1),
  });
}

/** `planBuffers`, of maps whose live ranges are known. */
export function assignBuffers({ values, dtypes, first, last }: PlannedMaps): BufferPlan {
  const sizes: number[] = [];
  const typeOf: Dtype[] = [];
  const bufferOf = new Int32Array(values.length);
  const order = Int32Array.from({ length: values.length }, (_, id) => id);
  order.sort((a, b) => first[a]! - first[b]! || a - b);
  // In order of becoming free, so that what was touched last is found last.
  const free: number[] = [];
  const busy: { readonly buffer: number; readonly last: number }[] = [];
  for (const id of order) {
    let kept = 0;
    for (const held of busy) {
      if (held.last < first[id]!) free.push(held.buffer);
      else busy[kept++] = held;
    }
    busy.length = kept;
    const at = bestFit(free, (buffer) => (typeOf[buffer] === dtypes[id] ? sizes[buffer]! : -1), values[id]!);
    const buffer = at < 0 ? sizes.push(0) - 1 : free[at]!;
    if (at >= 0) free.splice(at, 1);
    typeOf[buffer] = dtypes[id]!;
    sizes[buffer] = Math.max(sizes[buffer]!, values[id]!);
    bufferOf[id] = buffer;
    busy.push({ buffer, last: last[id]! });
  }
  return { sizes, bufferOf };
}

const aProgram: Kind = {
  accepted: 'a program, as programOf returns,',
  holds: (value) => {
    if (!anObject.holds(value)) return false;
    const { maps, steps, input } = value as Program;
    return Array.isArray(maps) && Array.isArray(steps) && anObject.holds(input);
  },
};

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
  expectArgument(program, aProgram, 'mapBytes: program');
  const { sizes, bufferOf } = planBuffers(program);
  const widths = new Map(program.maps.map(({ id, dtype }) => [bufferOf[id]!, dtypeBytes[dtype]]));
  return sizes.reduce((sum, values, buffer) => sum + values * (widths.get(buffer) ?? 0), 0);
}

/**
 * The smallest free buffer that is large enough, or else the largest, which then grows.
 * @param sizeOf below 0 for one that cannot be used
 * @returns its position in `free`; −1 when there is none
 */
function bestFit(free: readonly number[], sizeOf: (buffer: number) => number, values: number): number {
  let chosen = -1;
  let best = -1;
  for (let at = 0; at < free.length; at++) {
    const size = sizeOf(free[at]!);
    if (size < 0) continue;
    if (chosen < 0 || (size >= values ? best < values || size < best : best < values && size > best)) {
      chosen = at;
      best = size;
    }
  }
  return chosen;
}
