import type { Block, Convolution } from '../../network/network.js';
import type { PixelBias } from '../../network/pixel-attention.js';
import type { Owner, ProgramMap, ProgramRegion } from '../../program/program.js';
import type { Work } from '../../program/work.js';
import type { ScriptedOperation } from '../scripted.js';
import { GROUP, type Kernel, NONE, spread } from './kernel.js';
import type { GroupKind, PIXELS_EACH } from './kernels/direct.js';
import type { FusionTile } from './kernels/fusion.js';
import type { Tile } from './kernels/gemm.js';
import type { MatrixTile } from './kernels/matrices.js';
import type { List } from './lists.js';

/** Buffers that a program has one of each. */
export type SharedBuffer =
  | 'lists'
  | 'counters'
  | 'cells'
  | 'margins'
  | 'listTable'
  | 'dispatchTable'
  | 'dispatches'
  | 'scratch'
  | 'values';

/** What a kernel's binding is bound to. */
export type BufferUse =
  | SharedBuffer
  | { readonly map: ProgramMap }
  | { readonly convolution: Convolution }
  /** Its weights as Winograd's algorithm reads them. */
  | { readonly transformed: Convolution }
  | { readonly masker: Block }
  /** What is added to an attention's products. */
  | { readonly bias: PixelBias };

/** How many workgroups a launch has: known beforehand, or from the count of a list. */
export type Workgroups =
  | readonly [x: number, y: number, z: number]
  | {
      readonly counter: number;
      readonly factor: number;
      readonly divisor: number;
      readonly y: number;
      /** Only so many of them, from that one on. */
      readonly first: number;
      readonly most: number;
    };

/** Kernels of convolutions whose workgroups do the same steps. */
export type Family =
  | Tile['family']
  | MatrixTile['family']
  | FusionTile['family']
  | 'winograd'
  | GroupKind
  | `depthwise x${typeof PIXELS_EACH}`;

/** What each workgroup of a convolution does: turns of its innermost loop, which calibration finds the time of. */
export interface Effort {
  readonly family: Family;
  readonly steps: number;
  /** Workgroups outside of it have nothing to do. */
  readonly region?: ProgramRegion | undefined;
  /** True when a rule chose the kernel among several. */
  readonly byRule?: boolean;
}

/** One dispatch of a kernel, as plain data. */
export interface Launch {
  readonly kernel: Kernel;
  readonly parameters: Readonly<Record<string, number>>;
  /** By the names of the kernel's bindings. */
  readonly buffers: Readonly<Record<string, BufferUse>>;
  readonly workgroups: Workgroups;
  /** Of a convolution. */
  readonly effort?: Effort;
  /** At most, as `submission-bound.ts` counts it. */
  readonly work?: number;
}

/** Dispatches of a pass that are never divided between submissions. */
export interface Slice {
  readonly launches: readonly Launch[];
  /** At most, as `submission-bound.ts` counts it. */
  readonly work: number;
}

/** What is timed together: a step of the program. */
export interface Pass {
  readonly owner: Owner;
  readonly work: Work;
  readonly launches: readonly Launch[];
  /** The same for a slow GPU: one slice, or several for different submissions. */
  readonly slices: readonly Slice[];
}

/** The run stops before pass `at`, because JavaScript has to do something. */
export interface Stop {
  readonly at: number;
  readonly owner: Owner;
  readonly operation: ScriptedOperation;
}

/** The rows that a kernel works on: all of a map's, or those of a list (`others`: those it leaves out). */
export interface Rows {
  readonly count: number;
  readonly list?: List | undefined;
  readonly others?: boolean;
}

/** A list's counter as rows use it. */
function counterOf(list: List, others: boolean): number {
  return list.counter + (others ? 1 : 0);
}

/** Parameters of `rowParameters`. */
export function rowValues({ count, list, others = false }: Rows): Readonly<Record<string, number>> {
  if (!list) return { rows: count, counter: NONE, list: NONE, pixels: 0, others: 0 };
  const { list: first, pixels } = list;
  return {
    rows: count,
    counter: counterOf(list, others),
    list: first,
    pixels,
    others: others ? 1 : 0,
  };
}

/** Workgroups that do `factor` items for each row, `divisor` of them each. */
export function workgroupsFor(
  { count, list, others = false }: Rows,
  factor: number,
  divisor: number = GROUP,
  y = 1,
): Workgroups {
  if (list) return { counter: counterOf(list, others), factor, divisor, y, first: 0, most: NONE };
  const [x, z] = spread(Math.ceil((count * factor) / divisor));
  return [x, y, z];
}
