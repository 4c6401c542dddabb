import { attentionLayers } from './attention.js';
import type { Convolution, Network } from './network.js';

/** All convolutions of a network that carry weights, in execution order. */
export function convolutionsOf({ nodes }: Network): Convolution[] {
  return nodes.flatMap((node) => {
    if (node.kind === 'convolution') return [node.convolution];
    if (node.kind !== 'block') return [];
    const { branch, projection, attention } = node.block;
    return [
      ...branch,
      ...(projection ? [projection] : []),
      ...attentionLayers(attention).map(({ convolution }) => convolution),
    ];
  });
}
