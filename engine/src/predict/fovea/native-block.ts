import { maskGrid } from '../../mask/geometry.js';
import type { Block, Convolution } from '../../network/network.js';
import type { Primitive } from '../../plan/plan.js';
import { firstSpatial } from '../../plan/strategies.js';
import { conv1RunsDense } from '../../primitives/primitive.js';
import { wholeSquares } from './coverage.js';
import { Features, type NativeMachine } from './features.js';
import { addLevels, type Costs, convolutionFeatures } from './native-convolution.js';
import { NativeFusion } from './native-fusion.js';
import { convolutionPass, type MapExtent, type PassVariation } from './native-pass.js';
import { computesSquares } from './native-squares.js';
import { type BlockWork, computedCoverage, decidesMask } from './work.js';

/** Rows that one item of a row-by-row pass works on. */
const chunkRows = 64;

/** Where and on how many threads native passes run. */
export interface NativeSetting {
  readonly machine: NativeMachine;
  readonly threads: number;
  /** Costs of a unit of each amount, where they are known already: see `convolutionFeatures`. */
  readonly costs?: Costs;
}

/**
 * The native backend's passes for a block's plan, one set of amounts a group. It follows how that backend
 * carries out a plan: convolutions read through pixel lists, the add rides on the last convolution when they
 * share a group, a gather that shares its convolution's group copies nothing.
 */
export function nativeBlockFeatures(work: BlockWork, setting: NativeSetting): Features[] {
  const passes = new NativeBlock(work, setting);
  return work.plan.groups.map(({ primitives }) => {
    const features = new Features();
    for (const primitive of primitives) passes.add(features, primitive, primitives);
    return features;
  });
}

class NativeBlock {
  private readonly block: Block;
  private readonly sequence: readonly Primitive[];
  private readonly shares: readonly number[];
  private readonly adaptive: boolean;
  private readonly outPixels: number;
  private readonly rate: number;
  private readonly fusion: NativeFusion;

  constructor(
    private readonly work: BlockWork,
    private readonly setting: NativeSetting,
  ) {
    const { block, shape, plan, coverage, batch } = work;
    this.block = block;
    this.sequence = plan.groups.flatMap(({ primitives }) => primitives);
    this.shares = computedCoverage(work);
    this.adaptive = plan.mode === 'adaptive';
    this.outPixels = batch * shape.outHeight * shape.outWidth;
    this.rate = this.adaptive ? coverage.rate : 1;
    this.fusion = new NativeFusion(work, this.sequence, this.shares, setting.threads);
  }

  add(features: Features, primitive: Primitive, group: readonly Primitive[]): void {
    switch (primitive) {
      case 'pool':
        this.pool(features, this.inputPixels(0), this.work.shape.inChannels, false);
        break;
      case 'next-pool':
        this.pool(
          features,
          this.poolStands ? this.rate * this.outPixels : this.outPixels,
          this.work.shape.outChannels,
          group.includes('add'),
        );
        break;
      case 'mask':
        this.mask(features);
        break;
      case 'index':
        this.index(features);
        break;
      case 'gather':
        this.gather(features);
        break;
      case 'projection':
        this.projection(features);
        break;
      case 'conv1':
      case 'conv2':
      case 'conv3':
        this.convolution(features, Number(primitive.slice(4)) - 1, group);
        break;
      case 'excite':
        this.excite(features);
        break;
      case 'scatter':
        this.scatter(features, group);
        break;
      case 'add':
        this.residual(features, group);
        break;
    }
  }

  private get share(): number {
    return 1 / this.setting.threads;
  }

  private get cells(): number {
    const { shape, plan, batch } = this.work;
    const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, plan.granularity);
    return batch * rows * columns;
  }

  private inputPixels(layer: number): number {
    const { shape, batch } = this.work;
    const map = layer === 0 ? { height: shape.inHeight, width: shape.inWidth } : shape.branch[layer - 1]!;
    return batch * map.height * map.width;
  }

  /** A pass that goes over rows of channels and touches `bytes` of maps of `size` bytes. */
  private rows(
    features: Features,
    kind: 'scatter' | 'add',
    moved: { readonly bytes: number; readonly size: number; readonly rows: number },
  ): void {
    const { bytes, size, rows } = moved;
    features.add('passes', 1);
    features.add('items', (rows / chunkRows) * this.share);
    features.add('rows', rows * this.share);
    addLevels(features, kind, bytes * this.share, size, this.setting.machine);
  }

  /** True when the next block's pool is this block's own but for the active cells. */
  private get poolStands(): boolean {
    const { next } = this.work;
    return (
      this.adaptive && !this.block.projection && next?.cells === this.cells && this.sequence.includes('mask')
    );
  }

  /** @param inCache the pixels have just been written by the same pass */
  private pool(features: Features, pixels: number, channels: number, inCache: boolean): void {
    features.add('passes', 1);
    features.add('poolBytes', 4 * pixels * channels * this.share);
    features.add('rows', pixels * this.share);
    features.add('items', this.cells * this.share);
    addLevels(
      features,
      'read',
      4 * pixels * channels * this.share,
      Math.min(4 * pixels * channels, inCache ? this.setting.machine.nearBytes : Number.POSITIVE_INFINITY),
      this.setting.machine,
    );
  }

  /** Decided natively from the pooled input; otherwise the mask is there already and costs nothing. */
  private mask(features: Features): void {
    if (!decidesMask(this.work)) return;
    features.add('passes', 1);
    features.add('decisions', this.cells * this.work.shape.inChannels);
  }

  private index(features: Features): void {
    const { shape, coverage, batch } = this.work;
    const last = this.shares.length - 1;
    features.add('passes', 1);
    // Of a mask that leaves nothing to do no more is found out.
    if (coverage.rate === 0) return;
    this.shares.forEach((_, layer) => {
      if (this.everywhere(layer) || !this.ownRegion(layer)) return;
      const { height, width } = shape.branch[layer]!;
      const pixels = batch * height * width;
      const share = coverage.branch[layer] ?? 1;
      const squares = coverage.squares?.[layer] ?? wholeSquares(batch, { height, width });
      features.add('indexRegions', 1);
      if (this.listed(share)) {
        features.add('indexPixels', pixels);
        features.add('indexListed', share * pixels);
        // No branch predictor foresees where runs of active pixels begin.
        const runs = this.activeRuns;
        features.add('indexRuns', layer === last ? runs : 3 * runs);
      }
      if (this.squaresListed(layer)) {
        features.add('indexSquares', share * pixels);
        features.add('indexRuns', squares);
      }
    });
    if (this.gathersApart) features.add('indexHalo', coverage.rate * this.outPixels);
  }

  /** True when pixels are listed: a map active everywhere is not, but of an expected one that is not assumed. */
  private listed(share: number): boolean {
    return this.adaptive && (share < 1 || this.work.coverage.expected === true);
  }

  /** True when a convolution's pixels are not those of the one after it. */
  private ownRegion(layer: number): boolean {
    const reader = this.block.branch[layer + 1];
    return !reader || reader.kernel[0] * reader.kernel[1] * reader.stride[0] * reader.stride[1] > 1;
  }

  /** True when the pixels at which a convolution is computed are listed in squares as well. */
  private squaresListed(layer: number): boolean {
    const { branch } = this.block;
    return branch.some(
      (convolution, i) =>
        computesSquares(convolution) &&
        (i === layer || (i < layer && !branch.slice(i, layer).some((_, k) => this.ownRegion(i + k)))),
    );
  }

  /**
   * Runs of active pixels in the rows of the output: of cells active at random, one begins wherever an active cell
   * follows an inactive one. They become fewer again above half of the cells; here they stay, so that a higher rate
   * never costs less.
   */
  private get activeRuns(): number {
    const likely = Math.min(this.work.coverage.rate, 0.5);
    return (likely * (1 - likely) * this.outPixels * this.columns) / this.work.shape.outWidth;
  }

  private get columns(): number {
    const { shape, plan } = this.work;
    return maskGrid(shape.outHeight, shape.outWidth, plan.granularity).columns;
  }

  /** True when active cells are really copied before the spatial convolution. */
  private get gathersApart(): boolean {
    const layer = firstSpatial(this.block);
    const name = `conv${layer + 1}` as Primitive;
    const apart = this.work.plan.groups.some(
      ({ primitives }) => primitives.includes('gather') && !primitives.includes(name),
    );
    return layer >= 0 && apart && this.readsActivePixels(layer) && !this.everywhere(layer);
  }

  /** True when a convolution is computed at the active pixels themselves: all that follow it are pointwise. */
  private readsActivePixels(layer: number): boolean {
    const [own, ...later] = this.block.branch.slice(layer);
    return (
      own!.dilation.every((step) => step === 1) &&
      later.every(({ kernel, stride }) => kernel[0] * kernel[1] * stride[0] * stride[1] === 1)
    );
  }

  /** True when the plan has a convolution computed everywhere, whatever the mask. */
  private everywhere(layer: number): boolean {
    const { plan } = this.work;
    const { squeezeExcitation } = this.block;
    if (!this.adaptive) return true;
    if (squeezeExcitation && plan.excitation === 'exact' && layer <= squeezeExcitation.after) return true;
    return layer === 0 && conv1RunsDense(plan);
  }

  /** Copies every active cell with its halo, unless the convolution that follows shares the pass. */
  private gather(features: Features): void {
    const layer = firstSpatial(this.block);
    const convolution = this.block.branch[layer];
    if (!convolution || !this.gathersApart) return;
    const { shape, plan } = this.work;
    const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, plan.granularity);
    const [kernelHeight, kernelWidth] = convolution.kernel;
    const along = (cells: number, size: number, stride: number, kernel: number) =>
      (size - cells) * stride + cells * kernel;
    const copied =
      this.rate *
      this.work.batch *
      along(rows, shape.outHeight, convolution.stride[0], kernelHeight) *
      along(columns, shape.outWidth, convolution.stride[1], kernelWidth);
    const bytes = 4 * copied * convolution.inChannels * this.share;
    features.add('passes', 1);
    features.add('items', this.rate * this.cells * this.share);
    const size = 4 * this.inputPixels(layer) * convolution.inChannels;
    addLevels(features, 'gather', bytes, size, this.setting.machine);
  }

  private convolve(
    features: Features,
    convolution: Convolution,
    map: MapExtent,
    inputPixels: number,
    how?: PassVariation,
  ): void {
    const { machine, threads, costs } = this.setting;
    const pass = convolutionPass(convolution, map, inputPixels, how);
    features.addAll(convolutionFeatures(pass, machine, threads, costs));
  }

  private convolution(features: Features, layer: number, group: readonly Primitive[]): void {
    const { coverage, shape, batch } = this.work;
    const { fusion } = this;
    const read = layer === 0 ? this.shares[0]! : (coverage.branch[layer - 1] ?? 1);
    const share = this.shares[layer]!;
    const partly = this.adaptive && share < 1;
    const { height, width } = shape.branch[layer]!;
    const pools = layer === 0 && fusion.poolsFirst(group);
    const bands = fusion.bandsOf(layer, group);
    const how: PassVariation = {
      share,
      squares: partly ? coverage.squares?.[layer] : undefined,
      expected: partly && coverage.expected === true,
      listedRuns: this.listed(share) ? this.activeRuns : 0,
      residual: fusion.carriesAdd(layer, group),
      inputStreamed: pools || fusion.streamsInto(layer, group),
      outputStreamed: fusion.streamsInto(layer + 1, group),
      calls: pools ? fusion.pooledBands : bands?.calls,
      streamWeightBytes: bands?.streamWeightBytes,
    };
    const inputPixels = (partly ? read : 1) * this.inputPixels(layer);
    this.convolve(features, this.block.branch[layer]!, { batch, height, width }, inputPixels, how);
  }

  /** Computed everywhere; in two passes when inactive pixels are finished here. */
  private projection(features: Features): void {
    const { inWidth, inHeight, outWidth, outHeight } = this.work.shape;
    const { batch } = this.work;
    const convolution = this.block.projection!;
    const touched = (batch * inWidth * inHeight) / (convolution.stride[0] * convolution.stride[1]);
    const lists = this.rate > 0 && this.listed(this.rate) && this.fusion.partsProjection ? 2 : 0;
    this.convolve(features, convolution, { batch, height: outHeight, width: outWidth }, touched, {
      listedRuns: lists * this.activeRuns,
    });
    if (this.adaptive) features.add('convolutions', 1);
  }

  private excite(features: Features): void {
    const { after, reduce, expand } = this.block.squeezeExcitation!;
    const channels = this.block.branch[after]!.outChannels;
    const { height, width } = this.work.shape.branch[after]!;
    const all = this.work.batch * height * width;
    const pooled = this.shares[after]! * all;
    const scaled = this.adaptive ? (this.work.coverage.branch[after] ?? 1) * all : all;
    features.add('passes', 1);
    // Each image is pooled by one thread.
    const poolShare = Math.max(this.share, 1 / this.work.batch);
    features.add('poolBytes', 4 * pooled * channels * poolShare);
    features.add('rows', pooled * poolShare);
    addLevels(features, 'read', 4 * pooled * channels * poolShare, 4 * all * channels, this.setting.machine);
    const one = { batch: this.work.batch, height: 1, width: 1 };
    this.convolve(features, reduce, one, this.work.batch);
    this.convolve(features, expand, one, this.work.batch);
    const size = 4 * all * channels;
    this.rows(features, 'add', { bytes: 8 * scaled * channels, size, rows: scaled });
  }

  private scatter(features: Features, group: readonly Primitive[]): void {
    if (!this.adaptive || group.includes('add') || this.fusion.addCarried) return;
    const row = 4 * this.work.shape.outChannels;
    const size = this.outPixels * row;
    this.rows(features, 'scatter', { bytes: (1 + this.rate) * size, size, rows: this.outPixels });
  }

  private residual(features: Features, group: readonly Primitive[]): void {
    if (this.fusion.addCarried) return;
    const size = this.outPixels * 4 * this.work.shape.outChannels;
    const inPlace = this.adaptive && group.includes('scatter');
    const touched = (inPlace ? this.rate : 1) * size;
    const rows = (inPlace ? this.rate : 1) * this.outPixels;
    this.rows(features, 'add', { bytes: 3 * touched, size, rows });
  }
}
