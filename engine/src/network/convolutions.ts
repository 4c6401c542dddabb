import type { Convolution, Network } from './network.js';

/** All convolutions of a network that carry weights, in execution order. */
export function convolutionsOf({ nodes }: Network): Convolution[] {
  return nodes.flatMap((node) => {
    if (node.kind === 'convolution') return [node.convolution];
    if (node.kind !== 'block') return [];
    const { branch, projection, squeezeExcitation: excitation } = node.block;
    return [
      ...branch,
      ...(projection ? [projection] : []),
      ...(excitation ? [excitation.reduce, excitation.expand] : []),
    ];
  });
}
