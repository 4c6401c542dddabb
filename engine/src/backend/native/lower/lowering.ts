import { FoveaError } from '../../../errors.js';
import type { Masker } from '../../../mask/mask.js';
import type { Activation, Block, Convolution, Network, NetworkNode } from '../../../network/network.js';
import { type BlockShape, blockShape } from '../../../network/shapes.js';
import type { Plan } from '../../../plan/plan.js';
import { ProgramBuilder } from '../../../program/builder.js';
import type { Owner, ProgramMap, ProgramMask, ProgramRegion } from '../../../program/program.js';
import type { Shape } from '../../../tensor.js';

/** Who decides a block's mask: native code, JavaScript before the run, or JavaScript in the middle of it. */
export type Decision = 'native' | 'before' | 'between';

/** A value while the program is being made. */
export interface Value {
  readonly map: ProgramMap;
  /** The activation that made it, if any: an idempotent one need not be applied again. */
  readonly activation: Activation;
}

/** A block that follows its mask, as the program knows it. */
export interface AdaptiveBlock {
  readonly block: Block;
  readonly shape: BlockShape;
  readonly mask: ProgramMask;
  readonly decision: Decision;
  /** Where the block's pool lies, once `pool` has run. */
  pooled?: ProgramMap;
  /** The mask's own pixels. */
  region?: ProgramRegion;
  /** Where conv1 is computed; undefined when everywhere. */
  conv1Region?: ProgramRegion;
}

/** How `Lowering.convolve` reads and writes. */
export interface ConvolveOptions {
  /** Where to compute; everywhere when left out. */
  readonly region?: ProgramRegion;
  /** The pixels outside the region instead. */
  readonly others?: boolean;
  /** Added before the activation. */
  readonly residual?: ProgramMap;
  /** In the place of the convolution's own. */
  readonly activation?: Activation;
}

/** Shared state of lowering one network. */
export class Lowering {
  readonly builder = new ProgramBuilder();
  readonly adaptive = new Map<number, AdaptiveBlock>();
  readonly shapes = new Map<number, BlockShape>();
  readonly notes = new Set<string>();
  readonly passNotes = new Map<string, string>();
  readonly #values = new Map<string, Value>();
  readonly #readersLeft = new Map<string, number>();

  constructor(
    readonly network: Network,
    readonly plan: Plan,
    readonly maskers: readonly Masker[],
    readonly decisions: readonly Decision[],
    readonly batch: number,
  ) {
    for (const { inputs } of network.nodes) {
      for (const name of inputs) this.#readersLeft.set(name, (this.#readersLeft.get(name) ?? 0) + 1);
    }
    this.#readersLeft.set(network.output, (this.#readersLeft.get(network.output) ?? 0) + 1);
  }

  value(name: string, node: NetworkNode): Value {
    const value = this.#values.get(name);
    if (!value)
      throw new FoveaError('bad-shape', `"${node.name}" reads "${name}", which no earlier node writes`);
    return value;
  }

  define(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  /** True when the node now being lowered is the last to read the value: it may write over it. */
  lastReader(name: string): boolean {
    return this.#readersLeft.get(name) === 1;
  }

  /** Counts a node's reads as done. */
  finishReads(node: NetworkNode): void {
    for (const name of node.inputs) this.#readersLeft.set(name, this.#readersLeft.get(name)! - 1);
  }

  passNote(owner: Owner, sentence: string): void {
    const key = `${owner.node}.${owner.group}`;
    const before = this.passNotes.get(key);
    this.passNotes.set(key, before ? `${before}; ${sentence}` : sentence);
  }

  /** Emits a convolution over a whole map or a region of it. */
  convolve(
    owner: Owner,
    convolution: Convolution,
    source: ProgramMap,
    destination: ProgramMap,
    options: ConvolveOptions = {},
  ): void {
    const { region, others = false, residual, activation = convolution.activation } = options;
    this.builder.emit(owner, {
      kind: 'convolve',
      convolution,
      source,
      destination,
      ...(region ? { region } : {}),
      others,
      ...(residual ? { residual } : {}),
      activation,
    });
  }

  /** Emits `destination = activation(a + b)`; without `b`, `activation(a)`. */
  add(
    owner: Owner,
    a: ProgramMap,
    b: ProgramMap | undefined,
    destination: ProgramMap,
    activation: Activation,
  ): void {
    this.builder.emit(owner, { kind: 'add', a, ...(b ? { b } : {}), destination, activation });
  }

  /**
   * Emits the adaptive pool of a map to an adaptive block's grid.
   * @param before the block whose pool holds the same values already wherever its mask was not active
   */
  gridPool(owner: Owner, source: ProgramMap, adaptive: AdaptiveBlock, before?: AdaptiveBlock): void {
    const { mask } = adaptive;
    const { batch, rows, columns } = mask;
    const pooled = before?.pooled ?? this.builder.map([batch, rows, columns, source.shape[3]]);
    adaptive.pooled = pooled;
    const changed = before ? { changed: { mask: before.mask, region: before.region! } } : {};
    this.builder.emit(owner, { kind: 'grid-pool', source, pooled, mask, ...changed });
  }
}

/** A convolution of so few input channels that the native kernel reads whole kernel rows of a padded copy. */
export function readsRows(convolution: Convolution): boolean {
  return (
    convolution.groups === 1 &&
    convolution.inChannels <= 4 &&
    convolution.kernel[1] > 1 &&
    convolution.dilation[1] === 1
  );
}

/** @throws FoveaError `bad-shape` when a layer is given another number of channels than it reads */
export function expectChannels(name: string, wanted: number, given: number): void {
  if (wanted !== given) {
    throw new FoveaError('bad-shape', `"${name}" reads ${wanted} channels but is given ${given}`);
  }
}

/** The shape of a block on this input, checked. */
export function checkedBlockShape(block: Block, network: Network, [, H, W, C]: Shape): BlockShape {
  expectChannels(block.name, block.branch[0]!.inChannels, C);
  const shape = blockShape(block, H, W);
  for (const { height, width } of shape.branch) {
    if (!(height >= 1 && width >= 1)) {
      throw new FoveaError(
        'bad-shape',
        `input too small for ${network.name}: block ${block.name} would make a map of ${height} x ${width}`,
      );
    }
  }
  return shape;
}
