import { expectArgument } from '../arguments/expect.js';
import { aNetwork, anObject, MOST_EXTENT } from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import { expectBranch } from './longest-branch.js';
import {
  type Block,
  blocksOf,
  type ConcatNode,
  type MultiplyNode,
  type Network,
  type NetworkNode,
  type SliceNode,
} from './network.js';
import { mapNormalisationProblem } from './normalisation.js';
import { askForeignShape, foreignRefusal, foreignShape } from './onnx/foreign-shape.js';
import { atOtherSize } from './other-size.js';
import { attendedMaps, attendedOutput, pixelAttentionProblem } from './pixel-attention.js';
import { shortcutOutput } from './projection-pool.js';
import { type BlockShape, blockShape, convolutionOutput, paddingOn } from './shapes.js';

/** Extent of one value of a network: `[N, H, W, C]`, or undefined after a foreign node with an unknown shape. */
export type ValueShape = readonly [N: number, H: number, W: number, C: number] | undefined;

type Extents = NonNullable<ValueShape>;

/** Shapes of all values and blocks of a network at one input size. */
export interface NetworkShapes {
  /** By value name. */
  readonly values: ReadonlyMap<string, ValueShape>;
  /** By block index. */
  readonly blocks: readonly BlockShape[];
}

/**
 * The shape of every value and block for an input of the given size.
 *
 * @throws FoveaError `bad-shape` when the input is too small for the layers, channels do not fit, or a block
 *   lies behind a foreign node whose output shape is unknown
 *
 * @example
 * ```ts
 * import { builtNetwork } from '@fovea/engine';
 * import { networkShapes } from '@fovea/engine/backend';
 *
 * const { blocks } = networkShapes(builtNetwork('resnet18'), { batch: 1, height: 224, width: 224 });
 * console.log(blocks[0]);
 * ```
 */
export function networkShapes(
  network: Network,
  input: { batch: number; height: number; width: number },
): NetworkShapes {
  expectArgument(network, aNetwork, 'networkShapes: network');
  const { batch, height, width } = expectArgument(input, anObject, 'networkShapes: input');
  for (const [name, extent] of Object.entries({ batch, height, width })) {
    if (!Number.isInteger(extent) || extent < 1 || extent > MOST_EXTENT) {
      throw new FoveaError(
        'bad-shape',
        `input ${name} ${said(extent)}: an integer of at least 1, at most ${MOST_EXTENT}, is accepted`,
      );
    }
  }
  const values = new Map<string, ValueShape>([
    [network.input, [batch, height, width, network.inputShape.channels]],
  ]);
  const blocks: BlockShape[] = new Array(blocksOf(network).length);
  try {
    for (const node of network.nodes) values.set(node.output, written(network, node, values, blocks));
  } catch (error) {
    throw atOtherSize(network, { height, width }, error);
  }
  return { values, blocks };
}

/** Sizes of input that a network's foreign nodes have been asked about. */
const asked = new WeakMap<Network, Map<string, Promise<void>>>();

/**
 * Asks onnxruntime, once for each size, for the shapes that a network's foreign nodes write where Fovea has no rule
 * for an operator; {@link networkShapes} knows them then. Nothing is computed for that.
 * @returns undefined when there is nothing to ask
 */
export function learnShapes(
  network: Network,
  { height, width }: { height: number; width: number },
): Promise<void> | undefined {
  if (network.nodes.every(({ kind }) => kind !== 'foreign')) return undefined;
  const sizes = asked.get(network) ?? new Map<string, Promise<void>>();
  asked.set(network, sizes);
  const key = `${height}x${width}`;
  const learning = sizes.get(key) ?? learn(network, height, width);
  sizes.set(key, learning);
  return learning;
}

async function learn(network: Network, height: number, width: number): Promise<void> {
  const values = new Map<string, ValueShape>([
    [network.input, [1, height, width, network.inputShape.channels]],
  ]);
  const blocks: BlockShape[] = [];
  for (const node of network.nodes) {
    const inputs = node.inputs.map((name) => values.get(name));
    if (node.kind === 'foreign') await askForeignShape(node, inputs);
    if (inputs.includes(undefined)) continue;
    try {
      values.set(node.output, written(network, node, values, blocks));
    } catch (error) {
      // A size that does not fit is refused where the shapes are needed, with a message about that.
      if (error instanceof FoveaError) return;
      throw error;
    }
  }
}

/** Shape of a node's output; undefined for a foreign node with an unknown shape. */
function written(
  network: Network,
  node: NetworkNode,
  values: ReadonlyMap<string, ValueShape>,
  blocks: BlockShape[],
): ValueShape {
  if (node.kind === 'foreign') {
    return foreignShape(
      node,
      node.inputs.map((name) => values.get(name)),
    );
  }
  const sizing = ['concat', 'multiply', 'pixel-attention'].includes(node.kind);
  const read = sizing ? node.inputs : node.inputs.slice(0, 1);
  const inputs: Extents[] = [];
  for (const value of read) {
    const input = values.get(value);
    if (input) {
      inputs.push(input);
      continue;
    }
    const writer = network.nodes.find(({ output }) => output === value);
    const refusal = writer?.kind === 'foreign' ? foreignRefusal(writer) : undefined;
    if (refusal !== undefined) {
      throw new FoveaError(
        'unsupported',
        `${refusal}; export ${network.name} with operators that onnxruntime has`,
      );
    }
    const by = writer?.kind === 'foreign' ? ` of ${writer.operators.join(', ')}` : '';
    throw new FoveaError(
      'bad-shape',
      `the shape of "${value}"${by}, read by "${node.name}", is not known before it runs; export the network without ` +
        'operators whose output size depends on what they read',
    );
  }
  const output = nodeOutput(node, inputs, blocks);
  for (const extent of output) {
    if (!(extent >= 1)) {
      const [, height, width] = values.get(network.input)!;
      throw new FoveaError(
        'bad-shape',
        `input of ${height} x ${width} is too small for ${network.name}: "${node.name}" would have shape [${output.join(', ')}]`,
      );
    }
  }
  return output;
}

function nodeOutput(
  node: Exclude<NetworkNode, { kind: 'foreign' }>,
  inputs: readonly Extents[],
  blocks: BlockShape[],
): Extents {
  const [N, H, W, C] = inputs[0]!;
  const expectChannels = (channels: number) => {
    if (channels !== C) {
      throw new FoveaError('bad-shape', `"${node.name}" reads ${channels} channels but is given ${C}`);
    }
  };
  switch (node.kind) {
    case 'convolution': {
      expectChannels(node.convolution.inChannels);
      const { height, width } = convolutionOutput(node.convolution, H, W);
      return [N, height, width, node.convolution.outChannels];
    }
    case 'max-pool':
    case 'average-pool': {
      const [top, left, bottom, right] = paddingOn(node, H, W);
      return [
        N,
        pooledExtent(H, top, bottom, node.kernel[0], node.stride[0], node.ceilMode),
        pooledExtent(W, left, right, node.kernel[1], node.stride[1], node.ceilMode),
        C,
      ];
    }
    case 'global-pool':
      return [N, 1, 1, C];
    case 'block': {
      expectBranch(node.block);
      expectChannels(node.block.branch[0]!.inChannels);
      const shape = blockShape(node.block, H, W);
      checkShortcut(node.block, shape);
      blocks[node.block.index] = shape;
      return [N, shape.outHeight, shape.outWidth, shape.outChannels];
    }
    case 'add':
    case 'activation':
      return inputs[0]!;
    case 'multiply':
      return scaled(node, inputs[0]!, inputs[1]!).map;
    case 'concat':
      return joined(node, inputs);
    case 'slice':
      expectSliced(node, C);
      return [N, H, W, node.channels];
    case 'normalise-map': {
      const problem = mapNormalisationProblem(node, C);
      if (problem) throw new FoveaError('bad-shape', `"${node.name}": ${problem}`);
      return inputs[0]!;
    }
    case 'pixel-attention': {
      const maps = attendedMaps(node.attention, inputs);
      const problem = pixelAttentionProblem(node.attention, maps);
      if (problem) throw new FoveaError('bad-shape', `"${node.name}": ${problem}`);
      return attendedOutput(node.attention, maps);
    }
    case 'resize':
      return [N, H * node.factor[0], W * node.factor[1], C];
  }
}

/**
 * Which of two factors is the map, and which is the map's scale: of one size, a vector, or a map of one channel.
 * @returns the extents of both
 * @throws FoveaError `bad-shape` when neither scales the other
 */
export function scaled(
  { name }: Pick<MultiplyNode, 'name'>,
  first: Extents,
  second: Extents,
): { readonly map: Extents; readonly scale: Extents; readonly swapped: boolean } {
  const scales = (scale: Extents, map: Extents) =>
    scale.join() === map.join() ||
    scale.join() === [map[0], 1, 1, map[3]].join() ||
    scale.join() === [map[0], map[1], map[2], 1].join();
  if (scales(second, first)) return { map: first, scale: second, swapped: false };
  if (scales(first, second)) return { map: second, scale: first, swapped: true };
  throw new FoveaError(
    'bad-shape',
    `"${name}" multiplies [${first.join(', ')}] by [${second.join(', ')}]; maps of one size, or a map and a value for each of its channels or pixels, are accepted`,
  );
}

/**
 * The extents of maps side by side.
 * @throws FoveaError `bad-shape` when they are not of one size
 */
export function joined({ name }: Pick<ConcatNode, 'name'>, maps: readonly Extents[]): Extents {
  const [[N, H, W]] = maps as readonly [Extents];
  const other = maps.find(([n, h, w]) => n !== N || h !== H || w !== W);
  if (other) {
    throw new FoveaError(
      'bad-shape',
      `"${name}" joins maps of ${H} x ${W} and ${other[1]} x ${other[2]}; choose an input whose sides halve evenly down ` +
        'to the smallest map',
    );
  }
  return [N, H, W, maps.reduce((sum, [, , , channels]) => sum + channels, 0)];
}

/** @throws FoveaError `bad-shape` when a map has too few channels for a slice */
export function expectSliced({ name, first, channels }: SliceNode, given: number): void {
  if (first + channels <= given) return;
  throw new FoveaError(
    'bad-shape',
    `"${name}" reads channels ${first} to ${first + channels - 1} but is given ${given}`,
  );
}

/** Both sides of a residual addition must have one size: a shortcut that halves may round another way. */
function checkShortcut(block: Block, shape: BlockShape): void {
  const { adaptive, name } = block;
  if (!adaptive) return;
  const { inHeight, inWidth, outHeight, outWidth } = shape;
  const shortcut = shortcutOutput(block, inHeight, inWidth);
  if (shortcut.height === outHeight && shortcut.width === outWidth) return;
  throw new FoveaError(
    'bad-shape',
    `"${name}" of ${inHeight} x ${inWidth} does not fit: its branch gives ${outHeight} x ${outWidth}, its shortcut ` +
      `${shortcut.height} x ${shortcut.width}; choose an input whose maps have even sides there`,
  );
}

/** Output extent of a pooling window by ONNX's rule; with `ceilMode` no window starts in the padding after. */
export function pooledExtent(
  size: number,
  before: number,
  after: number,
  kernel: number,
  stride: number,
  ceilMode: boolean,
): number {
  const span = (size + before + after - kernel) / stride;
  if (!ceilMode) return Math.floor(span) + 1;
  const extent = Math.ceil(span) + 1;
  return (extent - 1) * stride >= size + before ? extent - 1 : extent;
}
