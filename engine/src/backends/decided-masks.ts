import type { Asking } from '../mask/ask.js';
import { decideMask } from '../mask/decide.js';
import { spreadCells } from '../mask/geometry.js';
import { learnedMasker } from '../mask/learned.js';
import type { Mask, Masker } from '../mask/mask.js';
import { receptiveRegion } from '../mask/regions.js';
import { saliencyMasker } from '../mask/saliency.js';
import type { LoweredNetwork } from '../plan/lower.js';
import type { Plan } from '../plan/plan.js';
import type { AdaptiveBlock } from '../primitives/network-lowering.js';
import type { OperationOf, ProgramMask, ProgramRegion } from '../program/program.js';
import { listCells, listPixels } from './listed-pixels.js';

const noValues = new Float32Array(0);

/** Masks and regions of one run, for backends that decide them in JavaScript. */
export class DecidedMasks {
  readonly #masks = new Map<ProgramMask, Mask>();
  readonly #regions = new Map<ProgramRegion, Uint8Array>();
  readonly #orders = new Map<ProgramMask, readonly number[]>();
  readonly #counts: Float64Array;
  readonly #adaptive: ReadonlyMap<ProgramMask, AdaptiveBlock>;

  /** @param maskers by block index */
  constructor(
    readonly lowered: LoweredNetwork,
    readonly plan: Plan,
    readonly maskers: readonly Masker[],
    readonly asking: Asking = {},
  ) {
    this.#adaptive = new Map([...lowered.adaptive.values()].map((block) => [block.mask, block]));
    this.#counts = new Float64Array(lowered.program.regions.length);
  }

  /** Decides the masks for which nothing of the run is needed. */
  async begin(): Promise<void> {
    for (const { mask, block, decision } of this.#adaptive.values())
      if (decision.by === 'given') await this.#decide(mask, this.maskers[block.index]!, noValues);
  }

  /**
   * Decides a mask as an operation says.
   * @param pooled the block's input on the mask's grid, `rows · columns · channels` values an image
   * @throws FoveaError as `decideMask` does
   */
  decide(operation: OperationOf<'decide' | 'ask'>, pooled: Float32Array): Promise<void> {
    const { mask } = operation;
    if (operation.kind === 'ask') return this.#decide(mask, this.maskers[operation.block.index]!, pooled);
    const { decider } = operation;
    return this.#decide(
      mask,
      decider.kind === 'learned' ? learnedMasker() : saliencyMasker(decider.rate),
      pooled,
    );
  }

  /** Finds the pixels of all regions of a mask. */
  index({ mask, order }: OperationOf<'index'>): void {
    if (order) this.#orders.set(mask, order);
    for (const region of this.lowered.program.regions) {
      if (region.mask !== mask) continue;
      const pixels = this.#pixelsOf(region);
      this.#regions.set(region, pixels);
      this.#counts[region.id] = sum(pixels);
    }
  }

  /** The pixels of a region, 1 where it has one. */
  pixels(region: ProgramRegion): Uint8Array {
    const pixels = this.#regions.get(region);
    if (!pixels) throw new Error(`region ${region.id} is used before mask ${region.mask.id} is indexed`);
    return pixels;
  }

  /** Numbers of a region's pixels on the whole map, in the order in which they are gone through and packed. */
  listed(region: ProgramRegion): Int32Array<ArrayBuffer> {
    const order = region.reads ? undefined : this.#orders.get(region.mask);
    return order ? listCells(this.mask(region.mask), order) : listPixels(this.pixels(region));
  }

  /** How many pixels each region has, by id. */
  get counts(): Float64Array {
    return this.#counts;
  }

  mask(mask: ProgramMask): Mask {
    const decided = this.#masks.get(mask);
    if (!decided) throw new Error(`mask ${mask.id} is used before it is decided`);
    return decided;
  }

  /** All masks, in block order. */
  get all(): Mask[] {
    return [...this.lowered.adaptive.values()].map(({ mask }) => this.mask(mask));
  }

  async #decide(mask: ProgramMask, masker: Masker, pooled: Float32Array): Promise<void> {
    const { block, shape } = this.#adaptive.get(mask)!;
    const { granularity } = this.plan.blocks[block.index]!;
    const pool = () => pooled;
    this.#masks.set(mask, await decideMask(masker, block, shape, mask.batch, granularity, pool, this.asking));
  }

  #pixelsOf({ mask, reads, height, width }: ProgramRegion): Uint8Array {
    if (!reads) return spreadCells(this.mask(mask).cells, mask, mask.batch, height, width);
    return receptiveRegion(this.pixels(reads.of), mask.batch, reads.of, reads.convolution, { height, width });
  }
}

function sum(values: Uint8Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
