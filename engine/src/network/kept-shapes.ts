import { LRUCache } from 'lru-cache';
import type { Network } from './network.js';
import { type NetworkShapes, networkShapes } from './walk.js';

/** Sizes of input kept for one network. */
const KEPT_SIZES = 64;

const kept = new WeakMap<Network, LRUCache<string, NetworkShapes>>();

/**
 * `networkShapes` for a batch of inputs of a size, the network's nominal one where it is left out, with the answers
 * remembered.
 * @throws FoveaError as `networkShapes` does
 */
export function shapesOf(
  network: Network,
  {
    batch,
    height,
    width,
  }: {
    readonly batch: number;
    readonly height?: number | undefined;
    readonly width?: number | undefined;
  },
): NetworkShapes {
  const input = {
    batch,
    height: height ?? network.inputShape.height,
    width: width ?? network.inputShape.width,
  };
  let sizes = kept.get(network);
  if (!sizes) {
    sizes = new LRUCache({ max: KEPT_SIZES });
    kept.set(network, sizes);
  }
  const key = `${batch},${input.height},${input.width}`;
  let shapes = sizes.get(key);
  if (!shapes) {
    shapes = networkShapes(network, input);
    // A foreign node's shape may become known.
    if ([...shapes.values.values()].every((shape) => shape !== undefined)) sizes.set(key, shapes);
  }
  return shapes;
}
