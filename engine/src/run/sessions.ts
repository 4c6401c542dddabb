import { expectArgument } from '../arguments/expect.js';
import { aNetwork } from '../arguments/kinds.js';
import type { Backend } from '../backends/backend.js';
import { checkFiniteWeights } from '../backends/finite.js';
import { FoveaError } from '../errors.js';
import { nestingDepth } from '../mask/waiting-runs.js';
import type { Network } from '../network/network.js';
import { checkSession } from './check-backend.js';
import { KeptSessions, type LentSession } from './kept-sessions.js';

/** Packed networks, a few shapes each, are kept for the lifetime of the network. */
const sessions = new WeakMap<Network, KeptSessions>();
/** Backends by number: two may have one name and differ in their options. */
const numbers = new WeakMap<Backend, number>();
let backendsSeen = 0;
/** Runs may be inside each other's maskers so deep: each has a session of its own, and one more would be a loop. */
const MOST_NESTED = 8;

/**
 * The network packed by `backend` for inputs of that shape, for one run: opened now, or kept from an earlier run. A run
 * inside another's masker is given a session of its own depth: it would wait for its own end. Runs wait only for
 * others of their depth, and these for deeper ones, so that waiting ends.
 * @throws FoveaError `bad-argument` for weights that are infinite or no numbers, and for runs too deep inside each other;
 *   `aborted` while it waits for other runs
 */
export function sessionFor(
  network: Network,
  backend: Backend,
  shape: { batch: number; height: number; width: number },
  signal: AbortSignal | undefined,
): LentSession | Promise<LentSession> {
  const depth = nestingDepth();
  if (depth > MOST_NESTED) {
    throw new FoveaError(
      'bad-argument',
      `a masker runs ${network.name} inside ${depth} runs, each in a masker of the one before; at most ${MOST_NESTED} ` +
        'are accepted: does a masker run its own network with itself?',
    );
  }
  let kept = sessions.get(network);
  if (!kept) {
    checkFiniteWeights(network);
    kept = new KeptSessions();
    sessions.set(network, kept);
  }
  let number = numbers.get(backend);
  if (number === undefined) {
    number = backendsSeen++;
    numbers.set(backend, number);
  }
  const key = `${number} ${shape.batch}x${shape.height}x${shape.width} ${depth}`;
  return kept.lend(key, async () => checkSession(backend, await backend.open(network, shape)), signal);
}

/** Frees everything kept for a network: packed weights and buffers of all backends and shapes. */
export async function releaseNetwork(network: Network): Promise<void> {
  expectArgument(network, aNetwork, 'releaseNetwork: network');
  const kept = sessions.get(network);
  sessions.delete(network);
  await kept?.close();
}

/** What is done with a network that is not used again: what was kept for it is freed, however that ends. */
export async function usingNetwork<Result>(
  network: Network,
  use: (network: Network) => Promise<Result>,
): Promise<Result> {
  try {
    return await use(network);
  } finally {
    await releaseNetwork(network);
  }
}
