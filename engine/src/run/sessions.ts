import type { Backend, Session } from '../backends/backend.js';
import { checkFiniteWeights } from '../backends/finite.js';
import type { Network } from '../network/network.js';

/** A session that is kept, or about to be opened. */
interface KeptSession {
  readonly opening: Promise<Session>;
  /** To be called before a run of the session asks a masker; what it returns, when the masker has answered. */
  onAsk(): () => void;
  /** How many maskers its runs wait for. */
  asking: number;
}

/** Packed networks, a few shapes each, are kept for the lifetime of the network. */
const sessions = new WeakMap<Network, Map<string, KeptSession>>();
/** Backends by number: two may have one name and differ in their options. */
const numbers = new WeakMap<Backend, number>();
let backendsSeen = 0;
const KEPT_SHAPES = 4;

/**
 * The network packed by `backend` for inputs of that shape: opened now, or still open from an earlier run. While a run waits
 * for a masker, another session is taken where there may be one more: the masker may itself be running the network, and
 * would wait for its own run to end.
 * @throws FoveaError `bad-argument` for weights that are infinite or no numbers
 */
export function sessionFor(
  network: Network,
  backend: Backend,
  shape: { batch: number; height: number; width: number },
): Pick<KeptSession, 'opening' | 'onAsk'> {
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
  const plainKey = `${number} ${shape.batch}x${shape.height}x${shape.width}`;
  let key = plainKey;
  let found = kept.get(key);
  for (let again = 1; found && found.asking > 0 && again < KEPT_SHAPES; again++) {
    key = `${plainKey} ${again}`;
    found = kept.get(key);
  }
  if (found) {
    // Reinserted, so that the map's order is that of last use.
    kept.delete(key);
    kept.set(key, found);
    return found;
  }
  const entry = open(backend, network, shape);
  kept.set(key, entry);
  entry.opening.catch(() => {
    // Unless it has given way in the meantime, perhaps to another of the same shape.
    if (kept.get(key) === entry) kept.delete(key);
  });
  for (const [oldest, { opening }] of kept) {
    if (kept.size <= KEPT_SHAPES) break;
    kept.delete(oldest);
    void opening.then((session) => session.dispose()).catch(() => undefined);
  }
  return entry;
}

function open(backend: Backend, network: Network, shape: Parameters<Backend['open']>[1]): KeptSession {
  const entry: KeptSession = {
    opening: backend.open(network, shape),
    asking: 0,
    onAsk() {
      entry.asking++;
      return () => {
        entry.asking--;
      };
    },
  };
  return entry;
}

/** Frees everything kept for a network: packed weights and buffers of all backends and shapes. */
export async function releaseNetwork(network: Network): Promise<void> {
  const kept = sessions.get(network);
  sessions.delete(network);
  const openings = [...(kept?.values() ?? [])].map(({ opening }) => opening);
  for (const opened of await Promise.allSettled(openings)) {
    if (opened.status === 'fulfilled') opened.value.dispose();
  }
}
