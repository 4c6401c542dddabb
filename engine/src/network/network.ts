import { expectArgument } from '../arguments/expect.js';
import { aNetwork } from '../arguments/kinds.js';
/**
 * A network as the engine holds it: dense nodes and residual blocks in execution order, batch norm already
 * folded into the convolutions. Plain data; importers make it, backends pack it.
 */

import type { Preprocessing } from '../image/preprocess.js';
import type { Activation, ConvolutionActivation } from './activation.js';
import type { PixelAttention } from './pixel-attention.js';

export type { Activation, ConvolutionActivation } from './activation.js';

/**
 * Layer normalisation over the channels of each pixel (Ba et al. 2016): `(x − mean) / √(variance + epsilon)`, times `scale`,
 * plus `shift`.
 */
export interface LayerNormalisation {
  /** One value per channel. */
  readonly scale: Float32Array;
  /** One value per channel. */
  readonly shift: Float32Array;
  /** Above 0. */
  readonly epsilon: number;
  /** False for RMS normalisation (Zhang and Sennrich 2019): the mean counts as 0, the variance is the mean square. True when left out. */
  readonly centred?: boolean;
}

/** A convolution with folded batch norm and its activation. A linear layer is a 1x1 convolution on a 1x1 map. */
export interface Convolution {
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** `[height, width]` of the kernel. */
  readonly kernel: readonly [number, number];
  /** `[vertical, horizontal]`. */
  readonly stride: readonly [number, number];
  /** Zeros added outside the image: `[top, left, bottom, right]`. */
  readonly padding: readonly [number, number, number, number];
  /**
   * Set where the padding follows from the map's size, as TensorFlow's SAME does it: enough for `⌈extent / stride⌉`
   * values, the odd zero at the end (`upper`) or the beginning (`lower`). `padding` is zeros then.
   */
  readonly samePadding?: 'upper' | 'lower';
  readonly dilation: readonly [number, number];
  readonly groups: number;
  /** `(outChannels, inChannels / groups, kernelHeight, kernelWidth)`, as ONNX and PyTorch order it. */
  readonly weight: Float32Array;
  /** One value per output channel; zeros when the file had none. */
  readonly bias: Float32Array;
  /** Of the output's channels, behind the bias and before the activation. */
  readonly normalisation?: LayerNormalisation;
  readonly activation: ConvolutionActivation;
  /** One value per output channel for the activation `prelu`, absent otherwise: the slope below zero. */
  readonly slopes?: Float32Array;
  /**
   * True for a max-pool in a branch: depthwise, the largest of the values under the kernel and within the map. Its weights are
   * ones, its biases zeros, it has no activation, normalisation or dilation.
   */
  readonly maximum?: boolean;
}

/** How each channel of a map is summed up over its pixels; `response`: its norm, by the mean of all channels' norms. */
export type AttentionPool = 'mean' | 'max' | 'response';

/**
 * Attention in a branch: a map scaled by what it holds itself. The channels' scales are
 * `gate(Σ reduce(pool(map)))`, summed over `pools`; `spatial` scales the pixels after that. Squeeze-and-excitation
 * (Hu et al. 2018) pools the mean and has two matrices; ECA (Wang et al. 2020) has no `reduce`, and a `gate` that
 * slides over the channels; CBAM (Woo et al. 2018) pools mean and maximum, and has a `spatial` convolution. Global response
 * normalisation (Woo et al. 2023), `x · (scale · response(x) + 1)`, has a `gate` of one weight a channel.
 */
export interface Attention {
  /** Index into `Block.branch`: the convolution whose (activated) output is scaled. */
  readonly after: number;
  /** At least one, each at most once; `response` stands alone, with a linear depthwise `gate` and nothing else. */
  readonly pools: readonly AttentionPool[];
  /** Added to the mean of the norms, above 0: with `response` alone. */
  readonly epsilon?: number;
  /** A 1x1 convolution of each pooled vector. */
  readonly reduce?: PlainConvolution;
  /**
   * A 1x1 convolution of the sum of what the pools gave, or one with a kernel of `[1, k]`, k odd and above 1, of one
   * channel in and out, which slides over the vector's channels with zeros around them. Its activation is the gate.
   */
  readonly gate: PlainConvolution;
  /** Of two channels, mean and maximum over the scaled map's channels, to one: the scale of each pixel. Its stride is 1, and it keeps the map's size. */
  readonly spatial?: PlainConvolution;
}

/** A convolution whose channels have one activation without slopes of their own, and that is not normalised. */
export type PlainConvolution = Convolution & {
  readonly activation: Activation;
  readonly normalisation?: never;
};

/**
 * A learned masker: adaptive average pool of the block input to the mask's grid, then one linear map.
 * The published two-logit form is folded to `compute − skip`; a cell is active when the result is ≥ 0.
 */
export interface LearnedMasker {
  /** `inChannels` values. */
  readonly weight: Float32Array;
  readonly bias: number;
}

/** Family of a residual block: two convolutions, a bottleneck, an inverted bottleneck, or any other branch. */
export type BlockKind = 'basic' | 'bottleneck' | 'inverted' | 'residual';

/** Mean over windows that tile the map. */
export interface ProjectionPool {
  /** Extents of a window, and the steps from one to the next. */
  readonly size: readonly [number, number];
  /** Whether a rest of the map is a window too, the mean of the pixels that it has. */
  readonly ceilMode: boolean;
}

/** A residual block: `activation(branch(x) · mask + shortcut(x))`. */
export interface Block {
  /** Position among the network's blocks, from 0. */
  readonly index: number;
  /** Stage from 0: increases whenever the map's resolution or channel count changes. */
  readonly stage: number;
  /** Name of the block in the source file (`layer1.0`), or one made from its position. */
  readonly name: string;
  readonly kind: BlockKind;
  /** The residual branch in order. Bottleneck: three, basic: two, inverted: two or more; at most `LONGEST_BRANCH`. */
  readonly branch: readonly Convolution[];
  readonly attention?: Attention;
  /** The shortcut's convolution; absent in an identity block. It is always computed densely. */
  readonly projection?: Convolution;
  /** What the projection, a pointwise one, reads the input through (ResNet-D, He et al. 2018); absent where it reads the input itself. */
  readonly projectionPool?: ProjectionPool;
  /** Applied after the residual add. */
  readonly activation: Activation;
  readonly masker?: LearnedMasker;
  /** Granularity that the masker was trained at, when there is one. */
  readonly granularity?: number;
  /**
   * False for a block that always runs densely: without a projection it then has no shortcut to fall back on (an inverted
   * block that changes shape).
   */
  readonly adaptive: boolean;
}

interface NodeBase {
  readonly name: string;
  /** Names of the values read. */
  readonly inputs: readonly string[];
  /** Name of the value written. */
  readonly output: string;
}

/** A convolution outside residual blocks: stem, head, or between blocks. */
export interface ConvolutionNode extends NodeBase {
  readonly kind: 'convolution';
  readonly convolution: Convolution;
}

/** Max or average pooling over windows; padding is top, left, bottom, right. */
export interface PoolNode extends NodeBase {
  readonly kind: 'max-pool' | 'average-pool';
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  /** As of a convolution. */
  readonly samePadding?: 'upper' | 'lower';
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
}

/** Mean over the whole map: `[N, H, W, C]` → `[N, 1, 1, C]`. */
export interface GlobalPoolNode extends NodeBase {
  readonly kind: 'global-pool';
}

/** Sum of two values of one shape, outside residual blocks. */
export interface AddNode extends NodeBase {
  readonly kind: 'add';
  readonly activation: Activation;
  /** Why it is no residual block that masks can skip, where the importer knows. */
  readonly dense?: string;
}

/**
 * Product of two values outside residual blocks: of one size, or a map and what scales it, in either order: a vector of its
 * channels, or a map of one channel for its pixels (attention without a block; focal modulation, Yang et al. 2022).
 */
export interface MultiplyNode extends NodeBase {
  readonly kind: 'multiply';
}

/** An activation between other nodes, on one value. */
export interface ActivationNode extends NodeBase {
  readonly kind: 'activation';
  readonly activation: Activation;
}

/** Maps of one size side by side: the channels of each behind those of the one before. */
export interface ConcatNode extends NodeBase {
  readonly kind: 'concat';
}

/** Some adjacent channels of a map. */
export interface SliceNode extends NodeBase {
  readonly kind: 'slice';
  /** The first of them, from 0. */
  readonly first: number;
  /** How many there are. */
  readonly channels: number;
}

/**
 * How a map is made larger: `nearest` repeats pixels, the others are bilinear. Their names say where an output pixel
 * lies in the input, as ONNX's `coordinate_transformation_mode` does.
 */
export type Interpolation = 'nearest' | 'half-pixel' | 'align-corners' | 'asymmetric';

/** A map made larger by whole factors. */
export interface ResizeNode extends NodeBase {
  readonly kind: 'resize';
  /** `[vertical, horizontal]`. */
  readonly factor: readonly [number, number];
  readonly interpolation: Interpolation;
}

/**
 * What a map is normalised by. `moments`: values have mean 0 and variance 1 over the pixels and channels of each group
 * (group normalisation, Wu and He 2018; instance normalisation where each channel is a group). `response`: each channel is
 * multiplied by its norm over the pixels, divided by the mean of all channels' norms (Woo et al. 2023).
 */
export type MapStatistics = 'moments' | 'response';

/**
 * A map normalised by statistics of each whole image, so that no mask can skip any of it. Scale and shift of the channels
 * are those of a depthwise 1x1 convolution behind it.
 */
export interface NormaliseMapNode extends NodeBase {
  readonly kind: 'normalise-map';
  readonly by: MapStatistics;
  /** Groups of adjacent channels; 1 for `response`. */
  readonly groups: number;
  /** Above 0; added to the variance, or to the mean of the norms. */
  readonly epsilon: number;
}

/** Attention over pixels; reads query, key and value, or, by `context`, key and value. */
export interface PixelAttentionNode extends NodeBase {
  readonly kind: 'pixel-attention';
  readonly attention: PixelAttention;
}

/** A residual block as a node of the network. */
export interface BlockNode extends NodeBase {
  readonly kind: 'block';
  readonly block: Block;
}

/** A piece of the source graph that the engine has no node for; it runs in onnxruntime, in NCHW. */
export interface ForeignNode extends NodeBase {
  readonly kind: 'foreign';
  /** A self-contained ONNX model of the piece, with the node's inputs and output by the same names. */
  readonly model: Uint8Array;
  /** The ONNX operators inside, for the report. */
  readonly operators: readonly string[];
}

/** Any node of a network; `kind` says which. */
export type NetworkNode =
  | ConvolutionNode
  | PoolNode
  | GlobalPoolNode
  | AddNode
  | MultiplyNode
  | ActivationNode
  | ConcatNode
  | SliceNode
  | ResizeNode
  | NormaliseMapNode
  | PixelAttentionNode
  | BlockNode
  | ForeignNode;

/** A network as plain data: nodes in the order of execution, weights folded and laid out NHWC. */
export interface Network {
  readonly name: string;
  readonly format: 'onnx' | 'lasnet' | 'built';
  /** Nominal input of one image; any other height and width that the layers allow may be run. */
  readonly inputShape: { readonly channels: number; readonly height: number; readonly width: number };
  /** How its images are scaled and normalised, where that is not as torchvision evaluates. */
  readonly preprocessing?: Preprocessing;
  /** In execution order. */
  readonly nodes: readonly NetworkNode[];
  readonly input: string;
  readonly output: string;
  /** 4 where the file has a vector per image, too, as a map of one pixel; 2 when left out. */
  readonly outputRank?: 2 | 4;
  /** Class names when the file carries them. */
  readonly labels?: readonly string[];
  /** What the importer could not take over as it stood, one sentence each. */
  readonly notes: readonly string[];
  /** The whole source model, for the dense baseline in onnxruntime, when the source was ONNX. */
  readonly onnxPath?: string;
  /** Which of that model's outputs is this network's. */
  readonly onnxOutput?: string;
}

/** Whether a block adds its input, projected or not, to its branch; one without a shortcut is its branch alone. */
export function hasShortcut({ projection, adaptive }: Block): boolean {
  return projection !== undefined || adaptive;
}

/**
 * The residual blocks of a network, in execution order.
 *
 * @example
 * ```ts
 * import { blocksOf, builtNetwork } from '@fovea/engine';
 *
 * for (const { index, name, stage, branch } of blocksOf(builtNetwork('resnet18'))) {
 *   console.log(index, name, `stage ${stage + 1}`, `${branch.length} convolutions`);
 * }
 * ```
 */
export function blocksOf(network: Network): Block[] {
  expectArgument(network, aNetwork, 'blocksOf: network');
  return network.nodes.flatMap((node) => (node.kind === 'block' ? [node.block] : []));
}
