import { expectArgument, expectFields } from '../arguments/expect.js';
import { aCount, aNetwork } from '../arguments/kinds.js';
import { attentionLayers, attentionName } from './attention.js';
import { convolutionFlops, denseBlockFlops, nodeFlops, weightCount } from './flops.js';
import type { Block, Convolution, Network, NetworkNode } from './network.js';
import { blocksOf, hasShortcut } from './network.js';
import { biasCount } from './pixel-attention.js';
import { networkShapes } from './walk.js';

/** One node of a network at a given input size, for tables. */
export interface NodeDescription {
  readonly name: string;
  /** `convolution`, `max-pool`, …, `foreign`, or a block's kind. */
  readonly kind: string;
  /** `[height, width, channels]` written; undefined where it is known only once the node has run. */
  readonly shape: readonly [number, number, number] | undefined;
  /** Multiply-adds times two, one image. */
  readonly flops: number;
  readonly parameters: number;
  /** Of blocks only. */
  readonly block?: BlockDescription;
  /** The ONNX operators inside a foreign node. */
  readonly operators?: readonly string[];
  /** Why masks cannot skip an addition. */
  readonly dense?: string;
}

/** A residual block in a few figures. */
export interface BlockDescription {
  readonly index: number;
  readonly stage: number;
  /** True when masks can skip work here. */
  readonly adaptive: boolean;
  readonly masker: boolean;
  readonly granularity?: number;
  /** One line: `1x1 64→64 · 3x3 64→64 /2 · 1x1 64→256, projection`. */
  readonly structure: string;
}

/** What `fovea inspect` shows. */
export interface NetworkDescription {
  readonly name: string;
  readonly format: Network['format'];
  readonly input: { readonly channels: number; readonly height: number; readonly width: number };
  readonly nodes: readonly NodeDescription[];
  /** Multiply-adds times two, one image, everything dense. */
  readonly flops: number;
  /**
   * The part of `flops` that masks can avoid: convolutions in the branches of adaptive blocks, but for those that
   * attention needs everywhere, because by default it pools the whole map.
   */
  readonly adaptiveFlops: number;
  /** The same where attention pools active pixels only. */
  readonly adaptiveFlopsActive: number;
  /** Weights and biases, batch norm folded away. */
  readonly parameters: number;
  readonly blocks: number;
  readonly adaptiveBlocks: number;
  readonly notes: readonly string[];
}

/**
 * Describes a network at an input size.
 * @param size the nominal one when left out
 * @throws FoveaError `bad-shape` when the layers do not fit that size
 *
 * @example
 * ```ts
 * import { builtNetwork, describeNetwork } from '@fovea/engine';
 *
 * const { blocks } = describeNetwork(builtNetwork('resnet50'), { height: 160, width: 224 });
 * console.log(blocks.length);
 * ```
 */
export function describeNetwork(
  network: Network,
  size: { readonly height?: number; readonly width?: number } = {},
): NetworkDescription {
  expectArgument(network, aNetwork, 'describeNetwork: network');
  expectFields(size, { height: aCount, width: aCount }, 'describeNetwork: size');
  const height = size.height ?? network.inputShape.height;
  const width = size.width ?? network.inputShape.width;
  const shapes = networkShapes(network, { batch: 1, height, width });
  let [adaptiveFlops, adaptiveFlopsActive] = [0, 0];
  const nodes = network.nodes.map((node): NodeDescription => {
    const output = shapes.values.get(node.output);
    const shape = output ? ([output[1], output[2], output[3]] as const) : undefined;
    const parameters = parametersOf(node);
    if (node.kind !== 'block') {
      const flops = nodeFlops(node, shapes.values);
      const operators = node.kind === 'foreign' ? { operators: node.operators } : {};
      const dense = node.kind === 'add' && node.dense !== undefined ? { dense: node.dense } : {};
      return { name: node.name, kind: node.kind, shape, flops, parameters, ...operators, ...dense };
    }
    const { block } = node;
    const blockShape = shapes.blocks[block.index]!;
    const flops = denseBlockFlops(block, blockShape, 1);
    if (block.adaptive) {
      block.branch.forEach((convolution, i) => {
        const { height, width } = blockShape.branch[i]!;
        const avoidable = convolutionFlops(convolution, height * width);
        adaptiveFlopsActive += avoidable;
        if (i > (block.attention?.after ?? -1)) adaptiveFlops += avoidable;
      });
    }
    return { name: node.name, kind: block.kind, shape, flops, parameters, block: describeBlock(block) };
  });
  const blocks = blocksOf(network);
  return {
    name: network.name,
    format: network.format,
    input: { channels: network.inputShape.channels, height, width },
    nodes,
    flops: nodes.reduce((sum, node) => sum + node.flops, 0),
    adaptiveFlops,
    adaptiveFlopsActive,
    parameters: nodes.reduce((sum, node) => sum + node.parameters, 0),
    blocks: blocks.length,
    adaptiveBlocks: blocks.filter((block) => block.adaptive).length,
    notes: network.notes,
  };
}

function describeBlock(block: Block): BlockDescription {
  const convolution = ({
    kernel,
    inChannels,
    outChannels,
    stride,
    groups,
    normalisation,
    maximum,
  }: Convolution) =>
    `${kernel.join('x')} ${inChannels}→${outChannels}` +
    (stride[0] > 1 || stride[1] > 1 ? ` /${stride[0]}` : '') +
    (maximum ? ' maximum' : groups > 1 ? (groups === inChannels ? ' depthwise' : ` groups ${groups}`) : '') +
    (normalisation ? ' normalised' : '');
  const extras = [
    ...(block.attention ? [attentionName(block.attention)] : []),
    ...(block.projection ? [block.projectionPool ? 'projection behind an average pool' : 'projection'] : []),
    ...(hasShortcut(block) ? [] : ['no shortcut']),
  ];
  return {
    index: block.index,
    stage: block.stage,
    adaptive: block.adaptive,
    masker: block.masker !== undefined,
    ...(block.granularity === undefined ? {} : { granularity: block.granularity }),
    structure: [block.branch.map(convolution).join(' · '), ...extras].join(', '),
  };
}

function parametersOf(node: NetworkNode): number {
  const of = (convolution: Convolution) =>
    weightCount(convolution) + (convolution.normalisation ? 3 : 1) * convolution.outChannels;
  if (node.kind === 'convolution') return of(node.convolution);
  if (node.kind === 'pixel-attention')
    return node.attention.bias ? biasCount(node.attention, node.attention.bias) : 0;
  if (node.kind !== 'block') return 0;
  const { branch, projection, attention, masker } = node.block;
  return [
    ...branch,
    ...(projection ? [projection] : []),
    ...attentionLayers(attention).map(({ convolution }) => convolution),
  ].reduce((sum, convolution) => sum + of(convolution), masker ? masker.weight.length + 1 : 0);
}
