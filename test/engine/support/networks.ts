import type { Network } from '@fovea/engine';
import type { Convolution, NetworkNode } from '@fovea/engine/backend';

/** Multiply-adds of one image: every convolution at the resolution that the chain gives it. */
export function multiplyAdds(network: Network): number {
  let height = network.inputShape.height;
  let width = network.inputShape.width;
  let total = 0;
  const count = (convolution: Convolution, h: number, w: number) => {
    const outH =
      Math.floor(
        (h + convolution.padding[0] + convolution.padding[2] - convolution.kernel[0]) / convolution.stride[0],
      ) + 1;
    const outW =
      Math.floor(
        (w + convolution.padding[1] + convolution.padding[3] - convolution.kernel[1]) / convolution.stride[1],
      ) + 1;
    total += outH * outW * convolution.weight.length;
    return [outH, outW] as const;
  };
  for (const node of network.nodes) {
    [height, width] = advance(node, height, width, count);
  }
  return total;
}

function advance(
  node: NetworkNode,
  height: number,
  width: number,
  count: (convolution: Convolution, h: number, w: number) => readonly [number, number],
): readonly [number, number] {
  switch (node.kind) {
    case 'convolution':
      return count(node.convolution, height, width);
    case 'global-pool':
      return [1, 1];
    case 'max-pool':
      return [Math.ceil(height / 2), Math.ceil(width / 2)];
    case 'block': {
      if (node.block.projection) count(node.block.projection, height, width);
      let map = [height, width] as const;
      for (const convolution of node.block.branch) map = count(convolution, map[0], map[1]);
      if (node.block.attention) {
        count(node.block.attention.reduce!, 1, 1);
        count(node.block.attention.gate, 1, 1);
      }
      return map;
    }
    default:
      return [height, width];
  }
}
