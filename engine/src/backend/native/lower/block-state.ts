import type { Block, BlockNode, NetworkNode } from '../../../network/network.js';
import type { BlockShape } from '../../../network/shapes.js';
import type { BlockPlan, Primitive } from '../../../plan/plan.js';
import type { Owner, ProgramMap, ProgramRegion } from '../../../program/program.js';
import type { AdaptiveBlock, Lowering, Value } from './lowering.js';
import { branchRegions, leavesUnchanged } from './regions.js';

/** Where the values of the branch are at the moment. */
export interface Intermediate {
  readonly map: ProgramMap;
  /** Pixels that hold values; undefined when all do. */
  readonly region: ProgramRegion | undefined;
}

/** A block while its primitives are being lowered, one after the other. */
export class BlockState {
  readonly block: Block;
  /** The plan's primitives in order. */
  readonly sequence: readonly Primitive[];
  /** Where each convolution of the branch is computed; undefined when everywhere. */
  readonly regions: readonly (ProgramRegion | undefined)[];
  /** True when nobody else reads the block's input, so that it may be changed into the output. */
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
    this.values = { map: input.map, region: undefined };
    this.shortcut = input.map;
    // A branch of one convolution reads what the add would write over.
    this.inPlace = lowering.lastReader(node.inputs[0]!) && node.block.branch.length > 1;
    this.regions = branchRegions(this);
    if (adaptive) {
      adaptive.region = this.activeRegion;
      adaptive.conv1Region = this.regions[0];
    }
  }

  /** The mask's own pixels, where the last convolution is computed; undefined in a dense block. */
  get activeRegion(): ProgramRegion | undefined {
    return this.regions[this.regions.length - 1];
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
  allocateOutput(): ProgramMap {
    const { outHeight, outWidth, outChannels } = this.shape;
    return this.lowering.builder.map([this.lowering.batch, outHeight, outWidth, outChannels]);
  }
}
