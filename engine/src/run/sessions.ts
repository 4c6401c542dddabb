import type { Backend, Session } from '../backends/backend.js';
import { checkFiniteWeights } from '../backends/finite.js';
import type { Network } from '../network/network.js';

/** Packed networks, a few shapes each, are kept for the lifetime of the network. */
const sessions = new WeakMap<Network, Map<string, Promise<Session>>>();
/** Backends by number: two may have one name and differ in their options. */
const numbers = new WeakMap<Backend, number>();
let backendsSeen = 0;
const KEPT_SHAPES = 4;

/**
 * The network packed by `backend` for inputs of that shape: opened now, or still open from an earlier run.
 * @throws FoveaError `bad-argument` for weights that are infinite or no numbers
 */
export function sessionFor(
  network: Network,
  backend: Backend,
  shape: { batch: number; height: number; width: number },
): Promise<Session> {
  let kept = sessions.get(network);
  if (!kept) {
    checkFiniteWeights(network);
    kept = new Map();
    sessions.set(network, kept);
  }
  let number = numbers.get(backend);
  if (number === undefined) {
    number = backendsSeen++;
    numbers.set(backend, number);
  }
  const key = `${number} ${shape.batch}x${shape.height}x${shape.width}`;
  const found = kept.get(key);
  if (found) {
    // Reinserted, so that the map's order is that of last use.
    kept.delete(key);
    kept.set(key, found);
    return found;
  }
  const opening = backend.open(network, shape);
  kept.set(key, opening);
  opening.catch(() => kept.delete(key));
  for (const [oldest, session] of kept) {
    if (kept.size <= KEPT_SHAPES) break;
    kept.delete(oldest);
    void session.then((open) => open.dispose()).catch(() => undefined);
  }
  return opening;
}

/** Frees everything kept for a network: packed weights and buffers of all backends and shapes. */
export async function releaseNetwork(network: Network): Promise<void> {
  const kept = sessions.get(network);
  sessions.delete(network);
  for (const session of kept?.values() ?? []) (await session).dispose();
}
