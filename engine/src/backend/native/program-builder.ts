import type { Activation } from '../../network/network.js';
import type { Shape } from '../../tensor.js';
import { noWork, type Work } from './work.js';

/** Operations in the order of `Operation` in engine/native/infer/program.h, which documents their operands. */
const operations = [
  'convolve',
  'max-pool',
  'average-pool',
  'global-pool',
  'add',
  'grid-pool',
  'decide',
  'index',
  'gather',
  'scatter',
  'scatter-add',
  'activate',
  'excite',
  'stream',
] as const;

export type Operation = (typeof operations)[number];

const INSTRUCTION_WORDS = 16;
const activations: readonly Activation[] = [
  'none',
  'relu',
  'relu6',
  'silu',
  'hardswish',
  'sigmoid',
  'hardsigmoid',
];

/** An activation's number in `Activation` of engine/native/infer/kernels/kernel_table.h. */
export function activationNumber(activation: Activation): number {
  return activations.indexOf(activation);
}

/** A map in one of the program's buffers. */
export interface MapReference {
  readonly id: number;
  readonly buffer: number;
  readonly shape: Shape;
}

/** A mask's place in the program. */
export interface MaskReference {
  readonly id: number;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly height: number;
  readonly width: number;
}

/** A list of pixels that is built when the program runs. */
export interface RegionReference {
  readonly id: number;
  readonly height: number;
  readonly width: number;
  /** Pixels of the whole map. */
  readonly pixels: number;
}

/** What an instruction belongs to: a node of the network and, in a block, one group of its plan. */
export interface Owner {
  readonly node: number;
  readonly group: number;
}

export interface Instruction {
  readonly operation: Operation;
  readonly owner: Owner;
  readonly work: Work;
}

/**
 * Collects a program: its tables, its flat list of instructions, and a buffer plan in which a buffer is used
 * again as soon as what it held has been read for the last time.
 */
export class ProgramBuilder {
  readonly buffers: number[] = [];
  readonly maps: number[] = [];
  readonly masks: number[] = [];
  readonly regions: number[] = [];
  readonly halos: number[] = [];
  /** By id. */
  readonly regionReferences: RegionReference[] = [];
  readonly words: number[] = [];
  readonly instructions: Instruction[] = [];
  readonly #free = new Set<number>();

  /** A map in a buffer of its own, until `release`. */
  allocate(shape: Shape): MapReference {
    const values = shape[0] * shape[1] * shape[2] * shape[3];
    let chosen = -1;
    for (const candidate of this.#free) {
      const size = this.buffers[candidate]!;
      const best = chosen < 0 ? -1 : this.buffers[chosen]!;
      // The smallest that is large enough, or else the largest, which then grows.
      if (chosen < 0 || (size >= values ? best < values || size < best : best < values && size > best)) {
        chosen = candidate;
      }
    }
    if (chosen < 0) chosen = this.buffers.push(0) - 1;
    this.#free.delete(chosen);
    this.buffers[chosen] = Math.max(this.buffers[chosen]!, values);
    return this.view(chosen, shape);
  }

  /** A map of another shape over a buffer already allocated. */
  view(buffer: number, shape: Shape): MapReference {
    const id = this.maps.length / 5;
    this.maps.push(buffer, ...shape);
    return { id, buffer, shape };
  }

  /** Lets later maps use this one's buffer. */
  release(map: MapReference): void {
    this.#free.add(map.buffer);
  }

  mask(batch: number, rows: number, columns: number, height: number, width: number): MaskReference {
    const id = this.masks.length / 5;
    this.masks.push(batch, rows, columns, height, width);
    return { id, batch, rows, columns, height, width };
  }

  /**
   * A region of a mask: its own pixels, or what `convolution` reads to compute `parent`.
   * @param wantsOthers also lists the pixels outside
   */
  region(
    mask: MaskReference,
    height: number,
    width: number,
    options: { parent?: RegionReference; convolution?: number; wantsOthers?: boolean } = {},
  ): RegionReference {
    const id = this.regions.length / 6;
    const { parent, convolution, wantsOthers } = options;
    this.regions.push(mask.id, parent?.id ?? -1, convolution ?? -1, height, width, wantsOthers ? 1 : 0);
    const region = { id, height, width, pixels: mask.batch * height * width };
    this.regionReferences.push(region);
    return region;
  }

  /** Where `gather` puts the cells of `region` with the halo that `convolution` reads. */
  halo(region: RegionReference, convolution: number): number {
    return this.halos.push(region.id, convolution) / 2 - 1;
  }

  emit(operation: Operation, owner: Owner, operands: readonly number[], work: Work = noWork): void {
    const words = [operations.indexOf(operation), ...operands];
    while (words.length < INSTRUCTION_WORDS) words.push(0);
    this.words.push(...words);
    this.instructions.push({ operation, owner, work });
  }
}
