import type { Attention } from './attention.js';
import type { Block, Convolution, NetworkNode, PlainConvolution } from './network.js';

const NO_VALUES = new Float32Array(0);

/**
 * A node with the geometry of its convolutions or attention and none of their weights: for what is worked out from it, and kept
 * longer than the network is.
 */
export function outlineOf(node: NetworkNode): NetworkNode {
  let outline = outlines.get(node);
  if (!outline) {
    outline = outlinedNode(node);
    if (outline !== node) outlines.set(node, outline);
  }
  return outline;
}

const outlines = new WeakMap<NetworkNode, NetworkNode>();

function outlinedNode(node: NetworkNode): NetworkNode {
  switch (node.kind) {
    case 'block':
      return { ...node, block: outlinedBlock(node.block) };
    case 'convolution':
      return { ...node, convolution: outlined(node.convolution) };
    case 'pixel-attention': {
      const { attention } = node;
      const { bias } = attention;
      return bias ? { ...node, attention: { ...attention, bias: { ...bias, values: NO_VALUES } } } : node;
    }
    default:
      return node;
  }
}

function outlinedBlock({ masker, ...block }: Block): Block {
  const { branch, projection, attention } = block;
  return {
    ...block,
    branch: branch.map(outlined),
    ...(projection ? { projection: outlined(projection) } : {}),
    ...(attention ? { attention: outlinedAttention(attention) } : {}),
  };
}

function outlinedAttention({ reduce, gate, spatial, ...attention }: Attention): Attention {
  return {
    ...attention,
    ...(reduce ? { reduce: outlined(reduce) } : {}),
    gate: outlined(gate),
    ...(spatial ? { spatial: outlined(spatial) } : {}),
  };
}

// Field by field: weights may be made by being read.
function outlined<Layer extends Convolution | PlainConvolution>(layer: Layer): Layer {
  const { name, inChannels, outChannels, kernel, stride, padding, samePadding, dilation, groups } = layer;
  const { activation, slopes, normalisation, maximum } = layer;
  return {
    ...{ name, inChannels, outChannels, kernel, stride, padding, dilation, groups, activation },
    ...(samePadding === undefined ? {} : { samePadding }),
    ...(slopes === undefined ? {} : { slopes }),
    ...(normalisation === undefined ? {} : { normalisation }),
    ...(maximum === undefined ? {} : { maximum }),
    weight: NO_VALUES,
    bias: NO_VALUES,
  } as Layer;
}
