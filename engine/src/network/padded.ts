import type { Convolution, Network, NetworkNode } from './network.js';
import { inputOf, paddingOn } from './shapes.js';
import { networkShapes } from './walk.js';

/** Networks with their padding resolved, by their paddings: as few as the sizes' remainders allow. */
const known = new WeakMap<Network, Map<string, Network>>();

/**
 * The network for inputs of one size, every padding that follows from the size written out. The same object for sizes
 * that come to the same padding, and the network itself where no padding depends on the size.
 * @throws FoveaError `bad-shape` when such a convolution lies behind a foreign node whose output's shape is not known
 */
export function paddedFor(
  network: Network,
  { height, width }: { readonly height: number; readonly width: number },
): Network {
  if (!network.nodes.some(padsBySize)) return network;
  const { values, blocks } = networkShapes(network, { batch: 1, height, width });
  const paddings: string[] = [];
  const resolved = (convolution: Convolution, map: { readonly height: number; readonly width: number }) => {
    if (convolution.samePadding === undefined) return convolution;
    const { samePadding: _, ...rest } = convolution;
    const padding = paddingOn(convolution, map.height, map.width);
    paddings.push(padding.join());
    return { ...rest, padding };
  };
  const nodes = network.nodes.map((node): NetworkNode => {
    if (node.kind === 'convolution') {
      const [, H, W] = values.get(node.inputs[0]!)!;
      return { ...node, convolution: resolved(node.convolution, { height: H, width: W }) };
    }
    if (node.kind !== 'block') return node;
    const { block } = node;
    const shape = blocks[block.index]!;
    const branch = block.branch.map((convolution, i) => resolved(convolution, inputOf(shape, i)));
    const projection = block.projection && resolved(block.projection, inputOf(shape, 0));
    return { ...node, block: { ...block, branch, ...(projection ? { projection } : {}) } };
  });
  const made = known.get(network) ?? new Map<string, Network>();
  known.set(network, made);
  const key = paddings.join(' ');
  const padded = made.get(key) ?? { ...network, nodes };
  made.set(key, padded);
  return padded;
}

function padsBySize(node: NetworkNode): boolean {
  if (node.kind === 'convolution') return node.convolution.samePadding !== undefined;
  if (node.kind !== 'block') return false;
  const { branch, projection } = node.block;
  return [...branch, projection].some((convolution) => convolution?.samePadding !== undefined);
}
