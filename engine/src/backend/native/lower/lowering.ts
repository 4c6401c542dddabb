import { FoveaError } from '../../../errors.js';
import type { Masker } from '../../../mask/mask.js';
import { convolutionFlops } from '../../../network/flops.js';
import type {
  Activation,
  Block,
  Convolution,
  ForeignNode,
  Network,
  NetworkNode,
} from '../../../network/network.js';
import { type BlockShape, blockShape } from '../../../network/shapes.js';
import type { Plan } from '../../../plan/plan.js';
import type { Shape } from '../../../tensor.js';
import {
  activationNumber,
  type MapReference,
  type MaskReference,
  type Owner,
  ProgramBuilder,
  type RegionReference,
} from '../program-builder.js';
import { fixedWork, pixelWork, type Term } from '../work.js';

/** Who decides a block's mask: native code, JavaScript before the run, or JavaScript in the middle of it. */
export type Decision = 'native' | 'before' | 'between';

/** Numbers that the session gave to a network's packed parts. */
export interface PackedNetwork {
  convolution(convolution: Convolution): number;
  masker(block: Block, masker: Masker): number;
}

/** A value while the program is being made. */
export interface Value {
  readonly map: MapReference;
  /** The activation that made it, if any: an idempotent one need not be applied again. */
  readonly activation: Activation;
}

/** A block that follows its mask, as the program knows it. */
export interface AdaptiveBlock {
  readonly block: Block;
  readonly shape: BlockShape;
  readonly mask: MaskReference;
  readonly decision: Decision;
  /** Where the block's pool lies, once `pool` has run. */
  pooled?: MapReference;
  /** The mask's own pixels. */
  region?: RegionReference;
  /** Where conv1 is computed; undefined when everywhere. */
  conv1Region?: RegionReference;
}

/** The run stops before instruction `at`, for JavaScript to decide a mask or run a foreign node. */
export type Stop =
  | { readonly at: number; readonly kind: 'decide'; readonly adaptive: AdaptiveBlock; readonly owner: Owner }
  | {
      readonly at: number;
      readonly kind: 'foreign';
      readonly node: ForeignNode;
      readonly inputs: readonly MapReference[];
      /** Absent while the shape of the node's output is not known: the program ends here. */
      readonly output?: MapReference;
      readonly owner: Owner;
    };

/** How `Lowering.convolve` reads and writes. */
export interface ConvolveOptions {
  /** Where to compute; everywhere when left out. */
  readonly region?: RegionReference;
  /** The pixels outside the region instead. */
  readonly others?: boolean;
  readonly sourceLayout?: 'map' | 'packed' | 'halo';
  readonly destinationLayout?: 'map' | 'packed';
  /** Added before the activation. */
  readonly residual?: MapReference;
  /** In the place of the convolution's own. */
  readonly activation?: Activation;
  readonly halo?: number;
}

/** Shared state of lowering one network. */
export class Lowering {
  readonly builder = new ProgramBuilder();
  readonly stops: Stop[] = [];
  readonly adaptive = new Map<number, AdaptiveBlock>();
  readonly shapes = new Map<number, BlockShape>();
  readonly notes = new Set<string>();
  readonly passNotes = new Map<string, string>();
  readonly #values = new Map<string, Value>();
  readonly #readersLeft = new Map<string, number>();

  constructor(
    readonly network: Network,
    readonly plan: Plan,
    readonly packed: PackedNetwork,
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

  /** Counts a node's reads as done; what nobody reads any more gives its buffer back, unless written over. */
  finishReads(node: NetworkNode): void {
    const kept = this.#values.get(node.output)?.map.buffer;
    for (const name of node.inputs) {
      const left = this.#readersLeft.get(name)! - 1;
      this.#readersLeft.set(name, left);
      const value = this.#values.get(name);
      if (left === 0 && value && value.map.buffer !== kept) this.builder.release(value.map);
    }
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
    source: MapReference,
    destination: MapReference,
    options: ConvolveOptions = {},
  ): void {
    const { region, others = false, sourceLayout = 'map', destinationLayout = 'map', residual } = options;
    const number = this.packed.convolution(convolution);
    let padded: MapReference | undefined;
    if (readsRows(convolution)) {
      const [N, H, W, C] = source.shape;
      const [top, left, bottom, right] = convolution.padding;
      padded = this.builder.allocate([N, H + top + bottom, W + left + right, C]);
    }
    this.builder.emit(
      'convolve',
      owner,
      [
        number,
        source.id,
        destination.id,
        region?.id ?? -1,
        others ? 1 : 0,
        ['map', 'packed', 'halo'].indexOf(sourceLayout),
        destinationLayout === 'map' ? 0 : 1,
        residual?.id ?? -1,
        activationNumber(options.activation ?? convolution.activation),
        options.halo ?? -1,
        padded?.id ?? -1,
      ],
      convolutionWork(convolution, destination, options),
    );
    if (padded) this.builder.release(padded);
  }

  /** Emits `destination = activation(a + b)`; without `b`, `activation(a)`. */
  add(
    owner: Owner,
    a: MapReference,
    b: MapReference | undefined,
    destination: MapReference,
    activation: Activation,
  ): void {
    const values = a.shape[0] * a.shape[1] * a.shape[2] * a.shape[3];
    this.builder.emit(
      'add',
      owner,
      [a.id, b?.id ?? -1, destination.id, activationNumber(activation)],
      fixedWork(0, 4 * values * (b ? 3 : 2)),
    );
  }

  /**
   * Emits the adaptive pool of a map to an adaptive block's grid.
   * @param before the block whose pool holds the same values already wherever its mask was not active
   */
  gridPool(owner: Owner, source: MapReference, adaptive: AdaptiveBlock, before?: AdaptiveBlock): void {
    const { mask } = adaptive;
    const [N, H, W, C] = source.shape;
    adaptive.pooled =
      before?.pooled ?? this.builder.allocate([mask.batch, mask.rows, mask.columns, source.shape[3]]);
    const operands = [source.id, adaptive.pooled.id, mask.id, before?.mask.id ?? -1];
    const pixels = pixelWork(before?.region, N * H * W, 0, 4 * C);
    const cells = fixedWork(0, 4 * mask.batch * mask.rows * mask.columns * C);
    this.builder.emit('grid-pool', owner, operands, [...pixels, ...cells]);
  }
}

/** Every pixel's FLOPs and rows, and the weights once if there is any pixel. */
function convolutionWork(
  convolution: Convolution,
  destination: MapReference,
  { region, others, residual }: ConvolveOptions,
): Term[] {
  const { inChannels, outChannels, weight } = convolution;
  const flops = convolutionFlops(convolution, 1);
  const bytes = 4 * (inChannels + outChannels * (residual ? 2 : 1));
  const weights = { flops: 0, bytes: 4 * weight.length };
  if (!region) {
    const pixels = destination.shape[0] * destination.shape[1] * destination.shape[2];
    return [
      { per: 'once', flops: flops * pixels, bytes: bytes * pixels },
      { per: 'once', ...weights },
    ];
  }
  if (!others) {
    return [
      { per: 'pixels', region, flops, bytes },
      { per: 'any', region, ...weights },
    ];
  }
  return [
    { per: 'once', flops: flops * region.pixels, bytes: bytes * region.pixels },
    { per: 'pixels', region, flops: -flops, bytes: -bytes },
    { per: 'any-other', region, ...weights },
  ];
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
