import { FoveaError } from '../errors.js';
import { blocksOf, type Network, type NetworkNode } from './network.js';
import { foreignShape } from './onnx/foreign-shape.js';
import { type BlockShape, blockShape, convolutionOutput } from './shapes.js';

/** Extent of one value of a network: `[N, H, W, C]`, or undefined behind a foreign node that does not tell. */
export type ValueShape = readonly [N: number, H: number, W: number, C: number] | undefined;

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
  for (const node of network.nodes) {
    const input = values.get(node.inputs[0]!);
    if (node.kind === 'foreign') {
      values.set(
        node.output,
        foreignShape(
          node,
          node.inputs.map((name) => values.get(name)),
        ),
      );
      continue;
    }
    if (!input) {
      throw new FoveaError(
        'bad-shape',
        `the shape of "${node.inputs[0]}", read by "${node.name}", is not known`,
      );
    }
    const output = nodeOutput(node, input, blocks);
    for (const extent of output) {
      if (!(extent >= 1)) {
        throw new FoveaError(
          'bad-shape',
          `input of ${height} x ${width} is too small for ${network.name}: "${node.name}" would have shape [${output.join(', ')}]`,
        );
      }
    }
    values.set(node.output, output);
  }
  return { values, blocks };
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
      const [top, left, bottom, right] = node.padding;
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
      blocks[node.block.index] = shape;
      return [N, shape.outHeight, shape.outWidth, shape.outChannels];
    }
    case 'add':
    case 'activation':
      return input;
  }
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
