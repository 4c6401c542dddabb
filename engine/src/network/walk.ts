import { FoveaError } from '../errors.js';
import { type Block, blocksOf, type Network, type NetworkNode } from './network.js';
import { askForeignShape, foreignRefusal, foreignShape } from './onnx/foreign-shape.js';
import { shortcutOutput } from './projection-pool.js';
import { type BlockShape, blockShape, convolutionOutput, paddingOn } from './shapes.js';

/** Extent of one value of a network: `[N, H, W, C]`, or undefined after a foreign node with an unknown shape. */
export type ValueShape = readonly [N: number, H: number, W: number, C: number] | undefined;

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
  { batch, height, width }: { batch: number; height: number; width: number },
): NetworkShapes {
  for (const [name, extent] of Object.entries({ batch, height, width })) {
    if (!Number.isInteger(extent) || extent < 1) {
      throw new FoveaError('bad-shape', `input ${name} ${extent}: an integer of at least 1 is accepted`);
    }
  }
  const values = new Map<string, ValueShape>([
    [network.input, [batch, height, width, network.inputShape.channels]],
  ]);
  const blocks: BlockShape[] = new Array(blocksOf(network).length);
  for (const node of network.nodes) values.set(node.output, written(network, node, values, blocks));
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
  const input = values.get(node.inputs[0]!);
  if (!input) {
    const value = node.inputs[0]!;
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
  const output = nodeOutput(node, input, blocks);
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
  input: readonly [number, number, number, number],
  blocks: BlockShape[],
): readonly [number, number, number, number] {
  const [N, H, W, C] = input;
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
      expectChannels(node.block.branch[0]!.inChannels);
      const shape = blockShape(node.block, H, W);
      checkShortcut(node.block, shape);
      blocks[node.block.index] = shape;
      return [N, shape.outHeight, shape.outWidth, shape.outChannels];
    }
    case 'add':
    case 'activation':
      return input;
  }
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
