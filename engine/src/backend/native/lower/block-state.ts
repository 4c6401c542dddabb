import type { Block, BlockNode, NetworkNode } from '../../../network/network.js';
import type { BlockShape } from '../../../network/shapes.js';
import type { BlockPlan, Primitive } from '../../../plan/plan.js';
import type { MapReference, Owner, RegionReference } from '../program-builder.js';
import type { AdaptiveBlock, Lowering, Value } from './lowering.js';
import { type BlockRegions, branchRegions, leavesUnchanged } from './regions.js';

/** Where the values of the branch are at the moment. */
export interface Intermediate {
  readonly map: MapReference;
  readonly layout: 'map' | 'packed' | 'halo';
  readonly halo?: number;
  /** Pixels that hold values; undefined when all do. */
  readonly region: RegionReference | undefined;
  /** False for the block's input, which is not the branch's to give back. */
  readonly owned: boolean;
}

/** A block while its primitives are being lowered, one after the other. */
export class BlockState {
  readonly block: Block;
  /** The plan's primitives in order. */
  readonly sequence: readonly Primitive[];
  readonly #regions: BlockRegions;
  /** True when nobody else reads the block's input, so that its buffer may become the output's. */
  readonly inPlace: boolean;
  values: Intermediate;
  /** What the branch is added to. */
  shortcut: MapReference;
  /** True when the shortcut's inactive pixels have had the block's activation already. */
  shortcutActivated = false;
  /** The output's map, with everything in it that the add will not touch. */
  prepared: MapReference | undefined;
  /** What waits for conv1, which shares its pass. */
  waiting: 'nothing' | 'pool' | 'pool and mask' = 'nothing';
  /** Convolutions before this one run band by band already. */
  streamedTo = 0;
  /** True once the next block's pool has been emitted. */
  nextPooled = false;
  /** Set once the branch has been added. */
  output: MapReference | undefined;
  readonly #groupOf = new Map<Primitive, number>();

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
    this.block = node.block;
    plan.groups.forEach(({ primitives }, group) => {
      for (const primitive of primitives) this.#groupOf.set(primitive, group);
    });
    this.sequence = plan.groups.flatMap(({ primitives }) => primitives);
    this.values = { map: input.map, layout: 'map', region: undefined, owned: false };
    this.shortcut = input.map;
    this.inPlace = lowering.lastReader(node.inputs[0]!);
    this.#regions = branchRegions(this);
    if (adaptive) {
      adaptive.region = this.activeRegion;
      adaptive.conv1Region = this.regions[0];
    }
  }

  /** Where each convolution of the branch is computed; undefined when everywhere. */
  get regions(): readonly (RegionReference | undefined)[] {
    return this.#regions.layers;
  }

  /** The mask's own pixels, where the branch is added; undefined in a dense block. */
  get activeRegion(): RegionReference | undefined {
    return this.#regions.active;
  }

  /** What squeeze-and-excitation pools over; undefined when everything. */
  get pooledRegion(): RegionReference | undefined {
    return this.#regions.pooled;
  }

  /** True when the branch's last values lie in a whole map although only those under the mask are added. */
  get addsOutOfMap(): boolean {
    return this.activeRegion !== undefined && this.regions.at(-1) === undefined;
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

  /** True when the block's activation leaves its input as it is, so that inactive pixels stay untouched. */
  get identityStands(): boolean {
    return leavesUnchanged(this.block.activation, this.input.activation);
  }

  /** A block without one is its branch alone. */
  get hasShortcut(): boolean {
    return this.block.projection !== undefined || this.block.adaptive;
  }

  /** A map of the block's output size. */
  allocateOutput(): MapReference {
    const { outHeight, outWidth, outChannels } = this.shape;
    return this.lowering.builder.allocate([this.lowering.batch, outHeight, outWidth, outChannels]);
  }

  /** The branch's values are now these; what held them before is free again. */
  replaceValues(values: Intermediate): void {
    if (this.values.owned) this.lowering.builder.release(this.values.map);
    this.values = values;
  }
}
