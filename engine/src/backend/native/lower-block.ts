import { maskGrid } from '../../mask/geometry.js';
import { convolutionFlops } from '../../network/flops.js';
import type { Activation, Block, BlockNode, Convolution, NetworkNode } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { BlockPlan, Primitive } from '../../plan/plan.js';
import { conv1RunsDense } from '../../plan/validate.js';
import { type AdaptiveBlock, checkedBlockShape, type Lowering, readsRows, type Value } from './lower.js';
import { activationNumber, type MapReference, type Owner, type RegionReference } from './program-builder.js';

/** Lowers one block by its plan. */
export function lowerBlock(
  lowering: Lowering,
  node: BlockNode,
  position: number,
  next: NetworkNode | undefined,
): void {
  const { block } = node;
  const input = lowering.value(node.inputs[0]!, node);
  const shape = checkedBlockShape(block, lowering.network, input.map.shape);
  lowering.shapes.set(block.index, shape);
  const plan = lowering.plan.blocks[block.index]!;
  const adaptive = plan.mode === 'adaptive' ? adaptiveBlock(lowering, block, shape, plan) : undefined;
  const output = new BlockLowering(lowering, node, position, plan, shape, input, adaptive, next).lower();
  lowering.define(node.output, output);
}

/** The block's mask; a predecessor that pools for it may have made it already. */
function adaptiveBlock(lowering: Lowering, block: Block, shape: BlockShape, plan: BlockPlan): AdaptiveBlock {
  const known = lowering.adaptive.get(block.index);
  if (known) return known;
  const batch = lowering.batch;
  const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, plan.granularity);
  const made: AdaptiveBlock = {
    block,
    shape,
    mask: lowering.builder.mask(batch, rows, columns, shape.outHeight, shape.outWidth),
    decision: lowering.decisions[block.index]!,
  };
  lowering.adaptive.set(block.index, made);
  return made;
}

/** Where the values of the branch are at the moment. */
interface Intermediate {
  readonly map: MapReference;
  readonly layout: 'map' | 'packed' | 'halo';
  readonly halo?: number;
  /** Pixels that hold values; undefined when all do. */
  readonly region: RegionReference | undefined;
  /** False for the block's input, which is not the branch's to give back. */
  readonly owned: boolean;
}

class BlockLowering {
  readonly #block: Block;
  readonly #groupOf = new Map<Primitive, number>();
  readonly #sequence: readonly Primitive[];
  readonly #regions: (RegionReference | undefined)[];
  readonly #inPlace: boolean;
  #values: Intermediate;
  #shortcut: MapReference;
  #shortcutActivated = false;
  #output: MapReference | undefined;
  #prepared: MapReference | undefined;
  #added = false;

  constructor(
    readonly lowering: Lowering,
    readonly node: BlockNode,
    readonly position: number,
    readonly plan: BlockPlan,
    readonly shape: BlockShape,
    readonly input: Value,
    readonly adaptive: AdaptiveBlock | undefined,
    readonly next: NetworkNode | undefined,
  ) {
    this.#block = node.block;
    plan.groups.forEach(({ primitives }, group) => {
      for (const primitive of primitives) this.#groupOf.set(primitive, group);
    });
    this.#sequence = plan.groups.flatMap(({ primitives }) => primitives);
    this.#values = { map: input.map, layout: 'map', region: undefined, owned: false };
    this.#shortcut = input.map;
    this.#inPlace = lowering.lastReader(node.inputs[0]!);
    this.#regions = this.#makeRegions();
    if (adaptive && this.#regions[0]) adaptive.conv1Region = this.#regions[0];
  }

  lower(): Value {
    for (const primitive of this.#sequence) this.#lowerPrimitive(primitive);
    const output = this.#output!;
    if (this.#values.owned && this.#values.map.buffer !== output.buffer) {
      this.lowering.builder.release(this.#values.map);
    }
    if (this.#shortcut.buffer !== output.buffer && this.#shortcut !== this.input.map) {
      this.lowering.builder.release(this.#shortcut);
    }
    return { map: output, activation: this.#block.activation };
  }

  #owner(primitive: Primitive): Owner {
    return { node: this.position, group: this.#groupOf.get(primitive)! };
  }

  #together(...primitives: Primitive[]): boolean {
    const group = this.#groupOf.get(primitives[0]!);
    return group !== undefined && primitives.every((primitive) => this.#groupOf.get(primitive) === group);
  }

  /** Where each convolution of the branch is computed: the last at the mask, each earlier where it is read. */
  #makeRegions(): (RegionReference | undefined)[] {
    const { adaptive, lowering, shape } = this;
    const { branch, squeezeExcitation, projection } = this.#block;
    const regions: (RegionReference | undefined)[] = branch.map(() => undefined);
    if (!adaptive) return regions;
    const { builder } = lowering;
    const wantsOthers = projection !== undefined || !this.#identityStands();
    const denseUpTo =
      squeezeExcitation && this.plan.excitation === 'exact'
        ? squeezeExcitation.after
        : conv1RunsDense(this.plan)
          ? 0
          : -1;
    let region = builder.region(adaptive.mask, shape.outHeight, shape.outWidth, { wantsOthers });
    for (let i = branch.length - 1; i > denseUpTo; i--) {
      regions[i] = region;
      const reader = branch[i]!;
      if (i - 1 > denseUpTo && !isPointwise(reader)) {
        const { height, width } = shape.branch[i - 1]!;
        const convolution = lowering.packed.convolution(reader);
        region = builder.region(adaptive.mask, height, width, { parent: region, convolution });
      }
    }
    return regions;
  }

  /** True when the block's activation leaves its input as it is, so that inactive pixels stay untouched. */
  #identityStands(): boolean {
    return leavesUnchanged(this.#block.activation, this.input.activation);
  }

  #lowerPrimitive(primitive: Primitive): void {
    const { lowering, adaptive } = this;
    const { builder } = lowering;
    const owner = this.#owner(primitive);
    switch (primitive) {
      case 'pool':
        if (this.#together('pool', 'conv1')) {
          lowering.passNote(owner, 'the pool and conv1 read the input one after the other');
        }
        lowering.gridPool(owner, this.input.map, adaptive!);
        return;
      case 'mask':
        this.#lowerMask(owner, adaptive!);
        return;
      case 'index': {
        const { mask } = adaptive!;
        const bytes = mask.batch * mask.height * mask.width;
        builder.emit('index', owner, [mask.id], () => ({ flops: 0, bytes }));
        return;
      }
      case 'projection':
        this.#lowerProjection(owner);
        return;
      case 'gather':
        this.#lowerGather(owner);
        return;
      case 'conv1':
      case 'conv2':
      case 'conv3':
        this.#lowerConvolution(owner, Number(primitive.slice(4)) - 1);
        return;
      case 'excite':
        this.#lowerExcitation(owner);
        return;
      case 'scatter':
        this.#lowerScatter(owner);
        return;
      case 'add':
        this.#lowerAdd(owner);
        return;
      case 'next-pool':
        this.#lowerNextPool(owner);
        return;
    }
  }

  #lowerMask(owner: Owner, adaptive: AdaptiveBlock): void {
    const { lowering } = this;
    const { builder } = lowering;
    const masker = lowering.maskers[this.#block.index]!;
    const { mask, pooled, decision } = adaptive;
    if (decision === 'between') {
      if (masker.needsPool && !pooled) lowering.gridPool(owner, this.input.map, adaptive);
      lowering.stops.push({ at: builder.instructions.length, kind: 'decide', adaptive, owner });
    } else if (decision === 'native') {
      if (!pooled) lowering.gridPool(owner, this.input.map, adaptive);
      const cells = mask.batch * mask.rows * mask.columns;
      const channels = this.shape.inChannels;
      builder.emit(
        'decide',
        owner,
        [mask.id, lowering.packed.masker(this.#block, masker), adaptive.pooled!.id],
        () => ({ flops: 2 * cells * channels, bytes: 4 * cells * channels }),
      );
    }
    if (adaptive.pooled) builder.release(adaptive.pooled);
  }

  #lowerProjection(owner: Owner): void {
    const { lowering, shape } = this;
    const projection = this.#block.projection!;
    const output = lowering.builder.allocate([
      lowering.batch,
      shape.outHeight,
      shape.outWidth,
      shape.outChannels,
    ]);
    const active = this.#regions[this.#regions.length - 1];
    const indexed = this.#sequence.indexOf('index') < this.#sequence.indexOf('projection');
    if (active && indexed && this.#addsInPlace() && projection.activation === 'none') {
      // Active pixels still have the branch added to them; the others are final here.
      lowering.convolve(owner, projection, this.input.map, output, { region: active });
      lowering.convolve(owner, projection, this.input.map, output, {
        region: active,
        others: true,
        activation: this.#block.activation,
      });
      this.#shortcutActivated = true;
    } else {
      lowering.convolve(owner, projection, this.input.map, output);
    }
    this.#shortcut = output;
  }

  /** True when the add only touches active pixels, so that the others must be right already. */
  #addsInPlace(): boolean {
    return !this.#sequence.includes('scatter') || this.#together('scatter', 'add');
  }

  #lowerGather(owner: Owner): void {
    const { lowering, adaptive } = this;
    const { builder } = lowering;
    const at = this.#sequence.indexOf('gather');
    const following = this.#sequence.slice(at + 1).find((primitive) => primitive.startsWith('conv'))!;
    if (this.#together('gather', following)) return;
    const layer = Number(following.slice(4)) - 1;
    const convolution = this.#block.branch[layer]!;
    const region = this.#regions[layer];
    const last = this.#regions[this.#regions.length - 1];
    const dilated = convolution.dilation[0] !== 1 || convolution.dilation[1] !== 1;
    if (!region || region !== last || dilated || readsRows(convolution) || this.#values.layout !== 'map') {
      lowering.passNote(owner, 'nothing is copied: the convolution reads through pixel lists');
      return;
    }
    const halo = builder.halo(region, lowering.packed.convolution(convolution));
    const { mask } = adaptive!;
    const rows = haloRows(mask, convolution);
    const channels = convolution.inChannels;
    const packed = builder.allocate([1, 1, rows, channels]);
    const source = this.#values;
    builder.emit('gather', owner, [source.map.id, packed.id, halo], (counts) => ({
      flops: 0,
      bytes: 8 * channels * rows * (counts[region.id]! / region.pixels),
    }));
    this.#replace({ map: packed, layout: 'halo', halo, region: source.region, owned: true });
  }

  #lowerConvolution(owner: Owner, layer: number): void {
    const { lowering, shape } = this;
    const { branch, activation } = this.#block;
    const convolution = branch[layer]!;
    const region = this.#regions[layer];
    const source = this.#values;
    const sourceOptions = {
      sourceLayout: source.layout,
      ...(source.halo !== undefined ? { halo: source.halo } : {}),
      ...(region ? { region } : {}),
    };
    this.#beginStream(owner, layer);
    if (this.#fusesAdd(layer)) {
      const output = this.#prepared ?? this.#prepareOutput(owner);
      lowering.convolve(owner, convolution, source.map, output, {
        ...sourceOptions,
        ...(this.#hasShortcut() ? { residual: this.#shortcut } : {}),
        activation,
      });
      this.#output = output;
      this.#added = true;
      return;
    }
    const { height, width } = shape.branch[layer]!;
    const map = lowering.builder.allocate([lowering.batch, height, width, convolution.outChannels]);
    const destinationLayout = region && this.#mayPack(layer) ? 'packed' : 'map';
    lowering.convolve(owner, convolution, source.map, map, { ...sourceOptions, destinationLayout });
    this.#replace({ map, layout: destinationLayout, region, owned: true });
  }

  /** The last convolution adds the shortcut in its epilogue when the plan puts both into one pass. */
  #fusesAdd(layer: number): boolean {
    const { branch, squeezeExcitation } = this.#block;
    const name = `conv${layer + 1}` as Primitive;
    return (
      layer === branch.length - 1 &&
      branch[layer]!.activation === 'none' &&
      squeezeExcitation?.after !== layer &&
      this.#together(name, 'add') &&
      (!this.#sequence.includes('scatter') || this.#together(name, 'scatter')) &&
      this.#sequence.indexOf('projection') < this.#sequence.indexOf(name)
    );
  }

  /** Streams the convolutions that follow each other in one group, when `layer` is the first of them. */
  #beginStream(owner: Owner, layer: number): void {
    const { branch, squeezeExcitation } = this.#block;
    const first = `conv${layer + 1}` as Primitive;
    const before = `conv${layer}` as Primitive;
    if (layer > 0 && squeezeExcitation?.after !== layer - 1 && this.#together(before, first)) return;
    let last = layer;
    while (
      last + 1 < branch.length &&
      squeezeExcitation?.after !== last &&
      this.#together(first, `conv${last + 2}` as Primitive)
    ) {
      last++;
    }
    if (last === layer) return;
    const decidesBetween = this.#sequence.indexOf('index') > this.#sequence.indexOf(first);
    const overwrites = this.#inPlace && !this.#block.projection && !this.#identityStands();
    if (decidesBetween || readsRows(branch[layer]!) || (this.#fusesAdd(last) && overwrites)) {
      this.lowering.passNote(owner, 'its convolutions run one after the other, each over all its pixels');
      return;
    }
    if (this.#fusesAdd(last)) this.#prepared = this.#prepareOutput(owner);
    this.lowering.builder.emit('stream', owner, [last - layer + 1]);
  }

  /** Rows may lie packed when whoever reads them reads the same pixels, one row for each. */
  #mayPack(layer: number): boolean {
    const { branch } = this.#block;
    const reader = branch[layer + 1];
    if (!reader) return this.#sequence.includes('scatter') || this.adaptive !== undefined;
    return isPointwise(reader) && this.#regions[layer + 1] === this.#regions[layer];
  }

  #replace(values: Intermediate): void {
    if (this.#values.owned) this.lowering.builder.release(this.#values.map);
    this.#values = values;
  }

  #lowerExcitation(owner: Owner): void {
    const { lowering } = this;
    const { builder } = lowering;
    const { after, reduce, expand } = this.#block.squeezeExcitation!;
    const { map, layout, region } = this.#values;
    const channels = reduce.inChannels;
    const N = lowering.batch;
    const pooled = builder.allocate([N, 1, 1, channels]);
    const hidden = builder.allocate([N, 1, 1, reduce.outChannels]);
    const scale = builder.allocate([N, 1, 1, channels]);
    const { height, width } = this.shape.branch[after]!;
    // What follows only reads its own pixels: the others need no scaling.
    const reader = this.#block.branch[after + 1];
    const readRegion = region ?? (reader && isPointwise(reader) ? this.#regions[after + 1] : undefined);
    builder.emit(
      'excite',
      owner,
      [
        map.id,
        readRegion?.id ?? -1,
        layout === 'packed' ? 1 : 0,
        lowering.packed.convolution(reduce),
        lowering.packed.convolution(expand),
        pooled.id,
        hidden.id,
        scale.id,
        region?.id ?? -1,
      ],
      (counts) => {
        const pooledPixels = region ? counts[region.id]! : N * height * width;
        const scaled = readRegion ? counts[readRegion.id]! : N * height * width;
        return {
          flops: convolutionFlops(reduce, N) + convolutionFlops(expand, N),
          bytes: 4 * (channels * (pooledPixels + 2 * scaled) + reduce.weight.length + expand.weight.length),
        };
      },
    );
    for (const temporary of [pooled, hidden, scale]) builder.release(temporary);
  }

  #hasShortcut(): boolean {
    return this.#block.projection !== undefined || this.#block.adaptive;
  }

  /** The map that the block's output goes to, with everything in it that the add will not touch. */
  #prepareOutput(owner: Owner): MapReference {
    const { lowering, shape } = this;
    const { activation, projection } = this.#block;
    const active = this.#regions[this.#regions.length - 1];
    const outShape = [lowering.batch, shape.outHeight, shape.outWidth, shape.outChannels] as const;
    if (projection) {
      if (active && !this.#shortcutActivated) this.#activateOthers(owner, this.#shortcut, active);
      return this.#shortcut;
    }
    if (!this.#hasShortcut()) return lowering.builder.allocate(outShape);
    if (this.#inPlace) {
      if (active && !this.#identityStands()) this.#activateOthers(owner, this.#shortcut, active);
      return this.#shortcut;
    }
    const output = lowering.builder.allocate(outShape);
    if (active) lowering.add(owner, this.#shortcut, undefined, output, activation);
    return output;
  }

  #activateOthers(owner: Owner, map: MapReference, active: RegionReference): void {
    const { activation } = this.#block;
    if (activation === 'none') return;
    const channels = this.shape.outChannels;
    this.lowering.builder.emit(
      'activate',
      owner,
      [map.id, active.id, 1, activationNumber(activation)],
      (counts) => ({ flops: 0, bytes: 8 * channels * (active.pixels - counts[active.id]!) }),
    );
  }

  #lowerScatter(owner: Owner): void {
    if (this.#added || this.#together('scatter', 'add')) return;
    const { lowering, shape } = this;
    const { map, region, layout } = this.#values;
    if (!region || layout !== 'packed') return;
    const output = lowering.builder.allocate([
      lowering.batch,
      shape.outHeight,
      shape.outWidth,
      shape.outChannels,
    ]);
    lowering.builder.emit('scatter', owner, [map.id, output.id, region.id], (counts) => ({
      flops: 0,
      bytes: 4 * shape.outChannels * (counts[region.id]! + region.pixels),
    }));
    this.#replace({ map: output, layout: 'map', region: undefined, owned: true });
  }

  #lowerAdd(owner: Owner): void {
    if (this.#added) return;
    const { lowering, shape } = this;
    const { activation } = this.#block;
    const { map, region, layout } = this.#values;
    if (!this.#hasShortcut()) {
      // Nothing to add: the branch is the output, and a linear one is finished already.
      if (activation !== 'none') lowering.add(owner, map, undefined, map, activation);
      this.#output = map;
      return;
    }
    if (region && layout === 'packed') {
      const output = this.#prepareOutput(owner);
      const shortcut = this.#shortcut;
      lowering.builder.emit(
        'scatter-add',
        owner,
        [map.id, output.id, region.id, activationNumber(activation), shortcut.id],
        (counts) => ({ flops: 0, bytes: 12 * shape.outChannels * counts[region.id]! }),
      );
      this.#output = output;
      return;
    }
    const output = this.#block.projection || this.#inPlace ? this.#shortcut : map;
    lowering.add(owner, this.#shortcut, map, output, activation);
    this.#output = output;
  }

  #lowerNextPool(owner: Owner): void {
    const { lowering, next } = this;
    if (next?.kind !== 'block' || next.inputs[0] !== this.node.output) return;
    const plan = lowering.plan.blocks[next.block.index]!;
    if (plan.mode !== 'adaptive') return;
    const shape = checkedBlockShape(next.block, lowering.network, this.#output!.shape);
    const adaptive = adaptiveBlock(lowering, next.block, shape, plan);
    lowering.passNote(owner, 'the next pool reads the whole map after the pass');
    lowering.gridPool(owner, this.#output!, adaptive);
  }
}

/** Every output pixel reads the input pixel of the same place, and nothing else. */
function isPointwise({ kernel, stride, padding }: Convolution): boolean {
  return (
    kernel[0] === 1 &&
    kernel[1] === 1 &&
    stride[0] === 1 &&
    stride[1] === 1 &&
    padding.every((side) => side === 0)
  );
}

/** True when `activation(x) = x` for whatever `made` can produce. */
function leavesUnchanged(activation: Activation, made: Activation): boolean {
  switch (activation) {
    case 'none':
      return true;
    case 'relu':
      return ['relu', 'relu6', 'sigmoid', 'hardsigmoid'].includes(made);
    case 'relu6':
      return ['relu6', 'sigmoid', 'hardsigmoid'].includes(made);
    default:
      return false;
  }
}

/** Rows that all cells of a mask take with their halo: what `gather` needs room for. */
function haloRows(
  mask: { batch: number; rows: number; columns: number; height: number; width: number },
  { kernel, stride }: Convolution,
): number {
  const along = (cells: number, size: number, axis: 0 | 1) =>
    (size - cells) * stride[axis] + cells * kernel[axis];
  return mask.batch * along(mask.rows, mask.height, 0) * along(mask.columns, mask.width, 1);
}
