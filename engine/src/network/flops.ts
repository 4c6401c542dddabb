import { type Attention, attentionLayers, attentionPixels } from './attention.js';
import type { Block, Convolution, NetworkNode } from './network.js';
import { attendedMaps, pixelAttentionFlops } from './pixel-attention.js';
import type { BlockShape } from './shapes.js';
import { convolutionOutput } from './shapes.js';
import type { NetworkShapes } from './walk.js';

/** What decides how much a convolution multiplies. */
type Multiplies = Pick<Convolution, 'kernel' | 'inChannels' | 'outChannels' | 'groups' | 'normalisation'>;

/** Multiply-adds of a normalisation at one pixel: the squares of the variance, and scale with shift. */
export function normalisationCount({ normalisation, outChannels }: Multiplies): number {
  return normalisation ? 2 * outChannels : 0;
}

/** Weights of a convolution, each of which is multiplied once for every output pixel. */
export function weightCount({ kernel, inChannels, outChannels, groups }: Multiplies): number {
  return kernel[0] * kernel[1] * (inChannels / groups) * outChannels;
}

/**
 * Multiply-adds times two of a convolution at `pixels` output pixels, with those of its normalisation; biases and
 * activations are not counted.
 */
export function convolutionFlops(convolution: Multiplies, pixels: number): number {
  return 2 * pixels * (weightCount(convolution) + normalisationCount(convolution));
}

/** FLOPs of an attention's layers for one image. */
export function attentionFlops(
  attention: Attention,
  map: { readonly channels: number; readonly pixels: number },
): number {
  return attentionLayers(attention).reduce(
    (sum, { role, convolution }) =>
      sum + convolutionFlops(convolution, attentionPixels(attention, role, map)),
    0,
  );
}

/** FLOPs of a block computed densely, projection and attention included, maskers not. */
export function denseBlockFlops(block: Block, shape: BlockShape, batch: number): number {
  let flops = 0;
  block.branch.forEach((convolution, i) => {
    const map = shape.branch[i]!;
    flops += convolutionFlops(convolution, batch * map.height * map.width);
  });
  const { attention } = block;
  if (attention) {
    const { height, width } = shape.branch[attention.after]!;
    const map = { channels: block.branch[attention.after]!.outChannels, pixels: height * width };
    flops += batch * attentionFlops(attention, map);
  }
  if (block.projection) {
    flops += convolutionFlops(block.projection, batch * shape.outHeight * shape.outWidth);
  }
  return flops;
}

/**
 * FLOPs of a dense node outside blocks; 0 for nodes without multiply-adds and for foreign ones.
 * @param shapes of the network's values, by name
 */
export function nodeFlops(node: NetworkNode, shapes: NetworkShapes['values']): number {
  const inputs = node.inputs.map((name) => shapes.get(name)).filter((shape) => shape !== undefined);
  const [input] = inputs;
  if (!input || inputs.length < node.inputs.length) return 0;
  if (node.kind === 'pixel-attention')
    return pixelAttentionFlops(node.attention, attendedMaps(node.attention, inputs));
  if (node.kind !== 'convolution') return 0;
  const { height, width } = convolutionOutput(node.convolution, input[1], input[2]);
  return convolutionFlops(node.convolution, input[0] * height * width);
}
