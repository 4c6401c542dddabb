import { LRUCache } from 'lru-cache';
import { FoveaError } from '../../errors.js';
import {
  type InferenceSession,
  loadRuntime,
  type OrtTensor,
  openModel,
  runModel,
} from '../../onnxruntime.js';

/** Name, extents and values of one input of a graph. */
export type GraphFeed = readonly [
  name: string,
  dims: readonly number[],
  values: Float32Array | BigInt64Array,
];

/**
 * Graphs opened when a plan first needs them. Each holds packed weights of its own, so the ones used longest
 * ago are closed when there are more than a run needs.
 */
export class OpenModels {
  readonly #open: LRUCache<string, Promise<InferenceSession>>;
  #closed = false;
  /** Time spent opening graphs so far, ms: a cost of the first run of a plan, not of running it. */
  openingMs = 0;

  /**
   * @param network name for messages
   * @param most graphs kept open; at least as many as one run uses
   */
  constructor(
    readonly network: string,
    most: number,
  ) {
    this.#open = new LRUCache({
      max: most,
      dispose: (session, _, reason) => {
        if (reason === 'evict') void session.then((open) => open.release()).catch(() => undefined);
      },
    });
  }

  /** The graph of that key, made and opened if it is not there. */
  async get(key: string, threads: number, make: () => Uint8Array): Promise<InferenceSession> {
    if (this.#closed) throw new FoveaError('bad-argument', 'the session was disposed; open another');
    const full = `${key}, ${threads} threads`;
    const started = performance.now();
    const found = this.#open.get(full);
    const session = found ?? openModel(make(), { threads }, `${this.network}, ${key}`);
    if (!found) {
      this.#open.set(full, session);
      session.catch(() => this.#open.delete(full));
    }
    const open = await session;
    this.openingMs += performance.now() - started;
    return open;
  }

  /** Closes all graphs; none may be running. */
  async close(): Promise<void> {
    this.#closed = true;
    const sessions = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled(sessions.map(async (session) => (await session).release()));
  }
}

/** Runs a graph on the engine's values in place. */
export async function runGraph(
  session: InferenceSession,
  feeds: readonly GraphFeed[],
  source: string,
): Promise<Record<string, OrtTensor>> {
  const { Tensor: OrtTensor } = await loadRuntime();
  const tensors = feeds.map(([name, dims, values]) => [
    name,
    values instanceof Float32Array
      ? new OrtTensor('float32', unshared(values), dims)
      : new OrtTensor('int64', values, dims),
  ]);
  return runModel(session, Object.fromEntries(tensors), source);
}

/** onnxruntime takes no shared memory. */
function unshared(values: Float32Array): Float32Array {
  return values.buffer instanceof SharedArrayBuffer ? Float32Array.from(values) : values;
}
