import { maskGrid } from '../../mask/geometry.js';
import type { Block } from '../../network/network.js';
import type { Primitive } from '../../plan/plan.js';
import { conv1RunsDense } from '../../primitives/primitive.js';
import { wholeSquares } from './coverage.js';
import { computesSquares, winogradPays } from './native-squares.js';
import { type Bands, bandBytes, bandsOf, type StreamedPass } from './native-stream.js';
import type { BlockWork } from './work.js';

/** Which primitives of a block's plan the native backend carries out together. */
export class NativeFusion {
  private readonly block: Block;
  private bands?: Bands & { readonly first: number };

  /**
   * @param sequence the plan's primitives in order
   * @param shares fraction of each convolution's output that is computed
   */
  constructor(
    private readonly work: BlockWork,
    private readonly sequence: readonly Primitive[],
    private readonly shares: readonly number[],
    private readonly threads: number,
  ) {
    this.block = work.block;
  }

  /** True when the pool runs band by band with conv1, so that the input is read once. */
  poolsFirst(group: readonly Primitive[]): boolean {
    return group.includes('pool') && conv1RunsDense(this.work.plan) && this.block.branch.length > 1;
  }

  get pooledBands(): number {
    const { shape, plan, batch } = this.work;
    const bytes = 4 * batch * shape.inHeight * shape.inWidth * shape.inChannels;
    const { rows } = maskGrid(shape.outHeight, shape.outWidth, plan.granularity);
    return Math.min(Math.max(1, Math.floor(bytes / (this.threads * bandBytes))), batch * rows);
  }

  /** The bands in which `layer` runs with the convolutions next to it; undefined for one that runs by itself. */
  bandsOf(layer: number, group: readonly Primitive[]): Bands | undefined {
    let first = layer;
    while (this.streamsInto(first, group)) first--;
    let end = layer + 1;
    while (this.streamsInto(end, group)) end++;
    if (end - first < 2) return undefined;
    // All layers of a stream ask for the same.
    if (!this.bands || this.bands.first !== first) {
      const passes = this.block.branch.slice(first, end).map((_, i) => this.streamed(first + i));
      this.bands = { first, ...bandsOf(passes, this.threads) };
    }
    return this.bands;
  }

  /** One convolution of a stream; of an expected mask, over the whole map. */
  private streamed(layer: number): StreamedPass {
    const { shape, coverage, batch } = this.work;
    const { height, width } = shape.branch[layer]!;
    const convolution = this.block.branch[layer]!;
    const share = coverage.expected === true ? 1 : this.shares[layer]!;
    const pixels = share * batch * height * width;
    const squares = share < 1 ? coverage.squares?.[layer] : undefined;
    const inSquares =
      computesSquares(convolution) && winogradPays(squares ?? wholeSquares(batch, { height, width }), pixels);
    return { convolution, pixels, inSquares };
  }

  /** True when convolution `layer` runs band by band with the one before it: both in one group, once the mask is known. */
  streamsInto(layer: number, group: readonly Primitive[]): boolean {
    if (layer < 1 || layer >= this.block.branch.length) return false;
    if (this.block.squeezeExcitation?.after === layer - 1) return false;
    const together = [`conv${layer}`, `conv${layer + 1}`].every((name) => group.includes(name as Primitive));
    return together && !conv1RunsDense(this.work.plan);
  }

  /** The last convolution adds the shortcut itself when both are in one pass. */
  carriesAdd(layer: number, group: readonly Primitive[]): boolean {
    const { branch, squeezeExcitation } = this.block;
    return (
      layer === branch.length - 1 &&
      branch[layer]!.activation === 'none' &&
      squeezeExcitation?.after !== layer &&
      // A single convolution cannot write where it reads, nor add under a mask that is not known yet.
      (layer > 0 || (this.block.projection !== undefined && !conv1RunsDense(this.work.plan))) &&
      group.includes('add') &&
      (!this.sequence.includes('scatter') || group.includes('scatter')) &&
      this.sequence.indexOf('projection') < this.sequence.indexOf(`conv${layer + 1}` as Primitive)
    );
  }

  /** True when the projection computes active and inactive pixels apart: the latter are final with it. */
  get partsProjection(): boolean {
    const { block, sequence, work } = this;
    return (
      block.projection?.activation === 'none' &&
      sequence.includes('index') &&
      sequence.indexOf('index') < sequence.indexOf('projection') &&
      (!sequence.includes('scatter') ||
        work.plan.groups.some(({ primitives }) =>
          ['scatter', 'add'].every((name) => primitives.includes(name as Primitive)),
        ))
    );
  }

  get addCarried(): boolean {
    const last = this.block.branch.length - 1;
    const group = this.work.plan.groups.find(({ primitives }) =>
      primitives.includes(`conv${last + 1}` as Primitive),
    );
    return group !== undefined && this.carriesAdd(last, group.primitives);
  }
}
