import { FoveaError } from '../../errors.js';
import type { Masker } from '../../mask/mask.js';
import { convolutionFlops } from '../../network/flops.js';
import type {
  Activation,
  Block,
  BlockNode,
  Convolution,
  ForeignNode,
  Network,
  NetworkNode,
} from '../../network/network.js';
import { type BlockShape, blockShape, convolutionOutput } from '../../network/shapes.js';
import { pooledExtent } from '../../network/walk.js';
import type { Plan } from '../../plan/plan.js';
import type { Shape } from '../../tensor.js';
import { lowerBlock } from './lower-block.js';
import {
  activationNumber,
  type MapReference,
  type MaskReference,
  type Owner,
  ProgramBuilder,
  type RegionReference,
} from './program-builder.js';

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

/** A lowered network: what the addon is given, and what is needed to run it and read its results. */
export interface LoweredNetwork {
  readonly builder: ProgramBuilder;
  readonly input: MapReference;
  /** Absent while a foreign node's shape is not known. */
  readonly output?: MapReference;
  readonly stops: readonly Stop[];
  /** By block index; blocks that run densely are absent. */
  readonly adaptive: ReadonlyMap<number, AdaptiveBlock>;
  readonly shapes: ReadonlyMap<number, BlockShape>;
  /** Shape of the first value that each node reads. */
  readonly inputShapes: readonly Shape[];
  readonly outputShapes: readonly Shape[];
  readonly notes: readonly string[];
  /** By `node.group`: notes of one pass. */
  readonly passNotes: ReadonlyMap<string, string>;
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

  /**
   * Emits a convolution over a whole map or a region of it.
   * @param options `residual` is added before `activation`; `others` computes the pixels outside the region
   */
  convolve(
    owner: Owner,
    convolution: Convolution,
    source: MapReference,
    destination: MapReference,
    options: {
      region?: RegionReference;
      others?: boolean;
      sourceLayout?: 'map' | 'packed' | 'halo';
      destinationLayout?: 'map' | 'packed';
      residual?: MapReference;
      activation?: Activation;
      halo?: number;
    } = {},
  ): void {
    const { region, others = false, sourceLayout = 'map', destinationLayout = 'map', residual } = options;
    const number = this.packed.convolution(convolution);
    let padded: MapReference | undefined;
    if (readsRows(convolution)) {
      const [N, H, W, C] = source.shape;
      const [top, left, bottom, right] = convolution.padding;
      padded = this.builder.allocate([N, H + top + bottom, W + left + right, C]);
    }
    const wholeCount = destination.shape[0] * destination.shape[1] * destination.shape[2];
    const rowBytes = 4 * (convolution.inChannels + convolution.outChannels * (residual ? 2 : 1));
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
      (counts) => {
        const inside = region ? counts[region.id]! : wholeCount;
        const pixels = region && others ? region.pixels - inside : inside;
        return {
          flops: convolutionFlops(convolution, pixels),
          bytes: pixels === 0 ? 0 : pixels * rowBytes + 4 * convolution.weight.length,
        };
      },
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
      () => ({
        flops: 0,
        bytes: 4 * values * (b ? 3 : 2),
      }),
    );
  }

  /** Emits the adaptive pool of a map to an adaptive block's grid. */
  gridPool(owner: Owner, source: MapReference, adaptive: AdaptiveBlock): void {
    const { mask } = adaptive;
    adaptive.pooled = this.builder.allocate([mask.batch, mask.rows, mask.columns, source.shape[3]]);
    const values =
      source.shape[0] * source.shape[1] * source.shape[2] + mask.batch * mask.rows * mask.columns;
    this.builder.emit('grid-pool', owner, [source.id, adaptive.pooled.id, mask.id], () => ({
      flops: 0,
      bytes: 4 * values * source.shape[3],
    }));
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

/**
 * Lowers a network and its plan to a program for one input shape.
 * @param foreignShapes output shapes of foreign nodes, as far as they have been seen
 * @throws FoveaError `bad-shape` when the layers do not fit the input or each other
 */
export function lowerNetwork(
  network: Network,
  plan: Plan,
  input: Shape,
  packed: PackedNetwork,
  maskers: readonly Masker[],
  decisions: readonly Decision[],
  foreignShapes: ReadonlyMap<string, Shape>,
): LoweredNetwork {
  const lowering = new Lowering(network, plan, packed, maskers, decisions, input[0]);
  const { builder } = lowering;
  const inputMap = builder.allocate(input);
  lowering.define(network.input, { map: inputMap, activation: 'none' });
  const inputShapes: Shape[] = [];
  const outputShapes: Shape[] = [];
  let complete = true;
  for (const [position, node] of network.nodes.entries()) {
    const first = lowering.value(node.inputs[0]!, node);
    inputShapes.push(first.map.shape);
    if (node.kind === 'foreign') {
      complete = lowerForeign(lowering, node, position, foreignShapes);
      if (!complete) break;
    } else if (node.kind === 'block') {
      lowerBlock(lowering, node, position, network.nodes[position + 1]);
    } else {
      lowerNode(lowering, node, position);
    }
    outputShapes.push(lowering.value(node.output, node).map.shape);
    lowering.finishReads(node);
  }
  const output = complete ? lowering.value(network.output, network.nodes.at(-1)!).map : undefined;
  return {
    builder,
    input: inputMap,
    ...(output ? { output } : {}),
    stops: lowering.stops,
    adaptive: lowering.adaptive,
    shapes: lowering.shapes,
    inputShapes,
    outputShapes,
    notes: [...lowering.notes],
    passNotes: lowering.passNotes,
  };
}

function lowerForeign(
  lowering: Lowering,
  node: ForeignNode,
  position: number,
  shapes: ReadonlyMap<string, Shape>,
): boolean {
  const inputs = node.inputs.map((name) => lowering.value(name, node).map);
  const shape = shapes.get(node.name);
  const output = shape ? lowering.builder.allocate(shape) : undefined;
  lowering.stops.push({
    at: lowering.builder.instructions.length,
    kind: 'foreign',
    node,
    inputs,
    ...(output ? { output } : {}),
    owner: { node: position, group: -1 },
  });
  if (output) lowering.define(node.output, { map: output, activation: 'none' });
  return output !== undefined;
}

function lowerNode(
  lowering: Lowering,
  node: Exclude<NetworkNode, ForeignNode | BlockNode>,
  position: number,
): void {
  const { builder } = lowering;
  const owner: Owner = { node: position, group: -1 };
  const [name, secondName] = node.inputs as readonly [string, string?];
  const { map, activation: before } = lowering.value(name, node);
  const [N, H, W, C] = map.shape;
  const make = (height: number, width: number, channels = C) => {
    if (!(height >= 1 && width >= 1)) {
      throw new FoveaError(
        'bad-shape',
        `input too small for ${lowering.network.name}: "${node.name}" would make a map of ${height} x ${width}`,
      );
    }
    return builder.allocate([N, height, width, channels]);
  };
  switch (node.kind) {
    case 'convolution': {
      const { convolution } = node;
      expectChannels(node.name, convolution.inChannels, C);
      const { height, width } = convolutionOutput(convolution, H, W);
      const output = make(height, width, convolution.outChannels);
      lowering.convolve(owner, convolution, map, output);
      lowering.define(node.output, { map: output, activation: convolution.activation });
      return;
    }
    case 'max-pool':
    case 'average-pool': {
      const [top, left, bottom, right] = node.padding;
      const output = make(
        pooledExtent(H, top, bottom, node.kernel[0], node.stride[0], node.ceilMode),
        pooledExtent(W, left, right, node.kernel[1], node.stride[1], node.ceilMode),
      );
      const bytes = 4 * (N * H * W * C + N * output.shape[1] * output.shape[2] * C);
      builder.emit(
        node.kind,
        owner,
        [
          map.id,
          output.id,
          ...node.kernel,
          ...node.stride,
          ...node.padding,
          node.kind === 'average-pool' && node.countIncludePad ? 1 : 0,
        ],
        () => ({ flops: 0, bytes }),
      );
      lowering.define(node.output, { map: output, activation: before });
      return;
    }
    case 'global-pool': {
      const output = make(1, 1);
      const bytes = 4 * N * C * (H * W + 1);
      builder.emit('global-pool', owner, [map.id, output.id], () => ({ flops: 0, bytes }));
      lowering.define(node.output, { map: output, activation: before });
      return;
    }
    case 'activation':
    case 'add': {
      let second: MapReference | undefined;
      if (node.kind === 'add') {
        second = lowering.value(secondName ?? '', node).map;
        if (second.shape.some((extent, axis) => extent !== map.shape[axis])) {
          throw new FoveaError('bad-shape', `"${node.name}" adds maps of different sizes`);
        }
      }
      const output = lowering.lastReader(name) ? map : make(H, W);
      lowering.add(owner, map, second, output, node.activation);
      lowering.define(node.output, { map: output, activation: node.activation });
      return;
    }
  }
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
