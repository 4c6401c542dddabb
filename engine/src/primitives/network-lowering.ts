import { FoveaError } from '../errors.js';
import { maskGrid } from '../mask/geometry.js';
import type {
  Activation,
  Block,
  Convolution,
  ConvolutionActivation,
  Network,
  NetworkNode,
} from '../network/network.js';
import { type BlockShape, blockShape } from '../network/shapes.js';
import { ProgramBuilder } from '../program/builder.js';
import type { Owner, ProgramMap, ProgramMask, ProgramRegion } from '../program/program.js';
import type { Shape } from '../tensor.js';
import type { Decision } from './decision.js';
import type { BlockSchedule } from './primitive.js';

/** A value of the network while the program is being made. */
export interface Value {
  readonly map: ProgramMap;
  /** The activation that made it, if any: an idempotent one need not be applied again. */
  readonly activation: ConvolutionActivation;
}

/** A block that follows its mask, as the program knows it. */
export interface AdaptiveBlock {
  readonly block: Block;
  readonly shape: BlockShape;
  readonly mask: ProgramMask;
  readonly decision: Decision;
  /** The block's input on the mask's grid, once it has been pooled. */
  pooled?: ProgramMap;
  /** The mask's own pixels. */
  region?: ProgramRegion | undefined;
  /** Where conv1 is computed; undefined when everywhere. */
  conv1Region?: ProgramRegion | undefined;
}

/** Where and how `NetworkLowering.convolve` computes. */
export interface ConvolveOptions {
  /** Where to compute; everywhere when left out. */
  readonly region?: ProgramRegion | undefined;
  /** The pixels outside the region instead. */
  readonly others?: boolean;
  /** Added before the activation. */
  readonly residual?: ProgramMap | undefined;
  /** In the place of the convolution's own. */
  readonly activation?: ConvolutionActivation;
}

/** Who of a network's nodes still reads which value, while they are gone through in order. */
export class RemainingReads {
  readonly #left = new Map<string, number>();

  constructor({ nodes, output }: Pick<Network, 'nodes' | 'output'>) {
    const count = (name: string) => this.#left.set(name, (this.#left.get(name) ?? 0) + 1);
    for (const { inputs } of nodes) inputs.forEach(count);
    count(output);
  }

  /** True when one more node, or the caller, reads the value. */
  isLast(name: string): boolean {
    return this.#left.get(name) === 1;
  }

  /** Counts a node's reads as done. */
  finish({ inputs }: NetworkNode): void {
    for (const name of inputs) this.#left.set(name, this.#left.get(name)! - 1);
  }
}

/** What the lowering of a network's nodes and blocks shares. */
export class NetworkLowering {
  readonly builder = new ProgramBuilder();
  readonly adaptive = new Map<number, AdaptiveBlock>();
  /** Masks that are decided before the first step. */
  readonly given: ProgramMask[] = [];
  readonly shapes = new Map<number, BlockShape>();
  /** By `node.group`: what a reader of that pass's time should know. */
  readonly passNotes = new Map<string, string>();
  readonly #values = new Map<string, Value>();
  readonly #reads: RemainingReads;

  constructor(
    readonly network: Network,
    /** By block index. */
    readonly schedules: readonly BlockSchedule[],
    /** By block index. */
    readonly decisions: readonly Decision[],
    readonly batch: number,
  ) {
    this.#reads = new RemainingReads(network);
  }

  /** @throws FoveaError `bad-shape` when no earlier node writes the value */
  value(name: string, node: NetworkNode): Value {
    const value = this.#values.get(name);
    if (!value)
      throw new FoveaError('bad-shape', `"${node.name}" reads "${name}", which no earlier node writes`);
    return value;
  }

  /** True once the value has been defined. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  define(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  /** True when the node now being lowered is the last to read the value: it may write over it. */
  lastReader(name: string): boolean {
    return this.#reads.isLast(name);
  }

  /** Counts a node's reads as done. */
  finishReads(node: NetworkNode): void {
    this.#reads.finish(node);
  }

  /** Adds a sentence to what is said of a pass. */
  passNote({ node, group }: Owner, sentence: string): void {
    const key = `${node}.${group}`;
    const before = this.passNotes.get(key);
    this.passNotes.set(key, before ? `${before}; ${sentence}` : sentence);
  }

  /** The block with its mask; a predecessor that pools for it may have made it already. */
  adaptiveBlock(block: Block, shape: BlockShape): AdaptiveBlock {
    const known = this.adaptive.get(block.index);
    if (known) return known;
    const { outHeight, outWidth } = shape;
    const { rows, columns } = maskGrid(outHeight, outWidth, this.schedules[block.index]!.granularity);
    const made: AdaptiveBlock = {
      block,
      shape,
      mask: this.builder.mask(this.batch, rows, columns, outHeight, outWidth),
      decision: this.decisions[block.index]!,
    };
    this.adaptive.set(block.index, made);
    if (made.decision.by === 'given') this.given.push(made.mask);
    return made;
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
   * @returns the pooled map
   */
  gridPool(owner: Owner, source: ProgramMap, adaptive: AdaptiveBlock, before?: AdaptiveBlock): ProgramMap {
    const { mask } = adaptive;
    const { batch, rows, columns } = mask;
    const pooled = before?.pooled ?? this.builder.map([batch, rows, columns, source.shape[3]]);
    adaptive.pooled = pooled;
    const changed = before ? { changed: { mask: before.mask, region: before.region! } } : {};
    this.builder.emit(owner, { kind: 'grid-pool', source, pooled, mask, ...changed });
    return pooled;
  }

  /**
   * The shape of a block on this input.
   * @throws FoveaError `bad-shape` when the channels do not fit or a map would be empty
   */
  blockShape(block: Block, [, H, W, C]: Shape): BlockShape {
    expectChannels(block.name, block.branch[0]!.inChannels, C);
    const shape = blockShape(block, H, W);
    for (const { height, width } of shape.branch)
      expectPixels(this.network, `block ${block.name}`, height, width);
    return shape;
  }
}

/** @throws FoveaError `bad-shape` when a layer is given another number of channels than it reads */
export function expectChannels(name: string, wanted: number, given: number): void {
  if (wanted !== given) {
    throw new FoveaError('bad-shape', `"${name}" reads ${wanted} channels but is given ${given}`);
  }
}

/** @throws FoveaError `bad-shape` when a map would be empty */
export function expectPixels(network: Network, name: string, height: number, width: number): void {
  if (height >= 1 && width >= 1) return;
  throw new FoveaError(
    'bad-shape',
    `input too small for ${network.name}: ${name} would make a map of ${height} x ${width}`,
  );
}
