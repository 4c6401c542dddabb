import { convolutionsOf } from './convolutions.js';
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
  if (!convolutionsOf(network).some(padsBySize)) return network;
  const made = known.get(network) ?? new Map<string, Network>();
  known.set(network, made);
  const { padded, paddings } = withPaddings(network, { height, width }, padsBySize);
  const kept = made.get(paddings) ?? padded;
  made.set(paddings, kept);
  return kept;
}

const padsBySize = ({ samePadding }: Convolution) => samePadding !== undefined;

/**
 * The network with the padding of some convolutions written out for inputs of one size.
 * @param chosen which of those that pad by size
 * @returns the network, and its paddings as text
 * @throws FoveaError as `paddedFor`
 */
export function withPaddings(
  network: Network,
  { height, width }: { readonly height: number; readonly width: number },
  chosen: (convolution: Convolution) => boolean,
): { readonly padded: Network; readonly paddings: string } {
  const { values, blocks } = networkShapes(network, { batch: 1, height, width });
  const paddings: string[] = [];
  const resolved = (convolution: Convolution, map: { readonly height: number; readonly width: number }) => {
    if (!chosen(convolution)) return convolution;
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
  return { padded: { ...network, nodes }, paddings: paddings.join(' ') };
}
