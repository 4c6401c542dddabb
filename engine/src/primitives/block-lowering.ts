import { leavesUnchanged } from '../network/activation.js';
import type { Block, BlockNode, NetworkNode } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import type { Owner, ProgramMap, ProgramRegion, Step } from '../program/program.js';
import { type BlockRegions, blockRegions } from './block-regions.js';
import type { AdaptiveBlock, NetworkLowering, Value } from './network-lowering.js';
import { type BlockSchedule, conv1RunsDense, type Primitive } from './primitive.js';

/** Where the values of the branch are at the moment. */
export interface Intermediate {
  readonly map: ProgramMap;
  /** Pixels that hold values; undefined when all do. */
  readonly region: ProgramRegion | undefined;
}

/** A block while its primitives are being lowered, one after the other. */
export class BlockLowering {
  readonly block: Block;
  readonly shape: BlockShape;
  readonly input: Value;
  /** Undefined in mode `dense`. */
  readonly adaptive: AdaptiveBlock | undefined;
  /** The plan's primitives in order. */
  readonly sequence: readonly Primitive[];
  /** True when the block's input has no other reader, so that it may be changed into the output in place. */
  readonly inPlace: boolean;
  values: Intermediate;
  /** What the branch is added to. */
  shortcut: ProgramMap;
  /** True when the shortcut's inactive pixels have had the block's activation already. */
  shortcutActivated = false;
  /** The output's map, with everything in it that the add will not touch. */
  prepared: ProgramMap | undefined;
  /** What waits for conv1, which shares its pass. */
  waiting: 'nothing' | 'pool' | 'pool and mask' = 'nothing';
  /** Convolutions before this one run band by band already. */
  streamedTo = 0;
  /** True once the next block's pool has been emitted. */
  nextPooled = false;
  /** Set once the branch has been added. */
  output: ProgramMap | undefined;
  readonly #regions: BlockRegions;
  readonly #groupOf = new Map<Primitive, number>();
  readonly #schedule: BlockSchedule;

  /**
   * @param position of the node in the network
   * @param next the node after it
   * @throws FoveaError `bad-shape` when the block does not fit its input
   */
  constructor(
    readonly network: NetworkLowering,
    readonly node: BlockNode,
    readonly position: number,
    readonly next: NetworkNode | undefined,
  ) {
    const { block } = node;
    this.block = block;
    this.input = network.value(node.inputs[0]!, node);
    this.shape = network.blockShape(block, this.input.map.shape);
    network.shapes.set(block.index, this.shape);
    const schedule = network.schedules[block.index]!;
    this.#schedule = schedule;
    this.adaptive = schedule.mode === 'adaptive' ? network.adaptiveBlock(block, this.shape) : undefined;
    schedule.groups.forEach(({ primitives }, group) => {
      for (const primitive of primitives) this.#groupOf.set(primitive, group);
    });
    this.sequence = schedule.groups.flatMap(({ primitives }) => primitives);
    this.values = { map: this.input.map, region: undefined };
    this.shortcut = this.input.map;
    this.inPlace = network.lastReader(node.inputs[0]!);
    this.#regions = this.#findRegions(schedule);
    if (this.adaptive) {
      this.adaptive.region = this.activeRegion;
      this.adaptive.conv1Region = this.regions[0];
    }
  }

  /** Where each convolution of the branch is computed; undefined when everywhere. */
  get regions(): readonly (ProgramRegion | undefined)[] {
    return this.#regions.layers;
  }

  /** The mask's own pixels, where the branch is added; undefined in a dense block. */
  get activeRegion(): ProgramRegion | undefined {
    return this.#regions.active;
  }

  /** Where a spatial attention's scales are needed; undefined where its layer is computed at no more pixels. */
  get attendedRegion(): ProgramRegion | undefined {
    return this.#regions.attended;
  }

  /** What attention pools over; undefined when everything. */
  get pooledRegion(): ProgramRegion | undefined {
    return this.#regions.pooled;
  }

  /** True when the branch's last values are in a whole map although only those under the mask are added. */
  get addsOutOfMap(): boolean {
    return this.activeRegion !== undefined && this.regions.at(-1) !== this.activeRegion;
  }

  /** True when the add only touches active pixels, so that the others must be right already. */
  get addsInPlace(): boolean {
    return !this.sequence.includes('scatter') || this.together('scatter', 'add');
  }

  /** True when the block's activation leaves its input as it is, so that inactive pixels stay untouched. */
  get identityStands(): boolean {
    return leavesUnchanged(this.block.activation, this.input.activation);
  }

  owner(primitive: Primitive): Owner {
    return { node: this.position, group: this.#groupOf.get(primitive)! };
  }

  /** True when the plan has all of them, in one group. */
  together(...primitives: Primitive[]): boolean {
    const group = this.#groupOf.get(primitives[0]!);
    return group !== undefined && primitives.every((primitive) => this.#groupOf.get(primitive) === group);
  }

  /** True when the plan has `first` before `second`, or has no `first`. */
  precedes(first: Primitive, second: Primitive): boolean {
    return this.sequence.indexOf(first) < this.sequence.indexOf(second);
  }

  /** Makes one stream of the next `count` operations, in bands as the plan's group has them. */
  stream(owner: Owner, count: number): void {
    this.network.builder.stream(owner, count, this.#schedule.groups[owner.group]?.bandPixels);
  }

  /**
   * Says of groups whose plan wants bands that nothing in them streams so.
   * @param steps those of the block
   */
  noteUnusedBands(steps: readonly Step[]): void {
    this.#schedule.groups.forEach(({ bandPixels }, group) => {
      if (bandPixels === undefined) return;
      if (steps.some((step) => step.owner.group === group && step.bandPixels === bandPixels)) return;
      const owner = { node: this.position, group };
      this.network.passNote(owner, `nothing streams here, so there are no bands of ${bandPixels} pixels`);
    });
  }

  /** A map of the block's output size. */
  outputMap(): ProgramMap {
    const { outHeight, outWidth, outChannels } = this.shape;
    return this.network.builder.map([this.network.batch, outHeight, outWidth, outChannels]);
  }

  #findRegions(schedule: BlockSchedule): BlockRegions {
    const { block, shape, adaptive, network } = this;
    if (!adaptive)
      return {
        active: undefined,
        layers: block.branch.map(() => undefined),
        pooled: undefined,
        attended: undefined,
      };
    return blockRegions(network.builder, block, shape, adaptive.mask, {
      denseConv1: conv1RunsDense(schedule),
      excitation: schedule.excitation,
    });
  }
}
