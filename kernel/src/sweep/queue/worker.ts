import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FoveaError } from '@fovea/engine/errors';
import { diskRefusal } from '@fovea/engine/files';
import { measureAlone } from '../../measure-alone.js';
import type { MaterialPaths } from '../compute/context.js';
import { engineVersion } from '../engine-version.js';
import { keptBy, keptMaterial } from '../kept-networks.js';
import {
  hashesIn,
  makesNetwork,
  measures,
  type Point,
  type PointResult,
  serves,
  type Where,
} from '../point.js';
import { ownLabels } from '../runner/own-labels.js';
import { Runner } from '../runner/runner.js';
import { storedFolder } from '../storage/folders.js';
import { noteQueued } from '../storage/queued.js';
import { touch } from '../storage/stored.js';
import { beginUse } from '../storage/use.js';
import { connectQueue, type QueueConnection } from './connect-queue.js';
import { BELL_KEY, LANES_KEY, type Lane } from './keys.js';
import { LaneWorker } from './lane-worker.js';
import { Lease } from './lease.js';
import { keepAlive, presenceMs, registerWorker, unregisterWorker, type WorkerFacts } from './presence.js';
import { queueName } from './queue-address.js';
import { fetchMaterial, storeMaterial } from './store.js';
import { whenReachable } from './when-reachable.js';

export interface QueueWorkerOptions {
  /** Labels beside the machine's own. */
  readonly labels?: Where;
  /** Name in records; the label `host` when left out. */
  readonly name?: string;
  readonly log?: (line: string) => void;
  /** Program that computes points. */
  readonly runner?: string;
  readonly engine?: string;
}

/** How often an idle worker looks whether the bell was rung. */
const bellMs = 100;
/** How often it looks at all lanes whether or not it was: points come back from lost workers without it. */
const lookMs = 1000;
/** How long a worker that stops lets its point continue. */
const graceMs = 10_000;

/** Removes a lane from the list if nothing waits or runs in it. */
const FORGET_LANE = `
if redis.call('LLEN', KEYS[2]) + redis.call('LLEN', KEYS[3]) + redis.call('LLEN', KEYS[4])
  + redis.call('ZCARD', KEYS[5]) + redis.call('ZCARD', KEYS[6]) == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
end`;

/** Serves the lanes of a queue that this machine's labels satisfy, one point at a time. */
export class QueueWorker {
  readonly #lanes = new Map<string, LaneWorker>();
  readonly #runner: Runner;
  readonly #log: (line: string) => void;
  readonly #stopping = new AbortController();
  readonly #hurry = new AbortController();
  /** Where the materials lie that points have named before. */
  readonly #materials = new Map<string, string>();
  readonly #refusedEngines = new Set<string>();
  /** Why this machine can compute no point. */
  #trouble: FoveaError | undefined;

  private constructor(
    private readonly queue: string,
    private readonly redis: QueueConnection,
    readonly facts: WorkerFacts,
    { runner, log = () => undefined }: QueueWorkerOptions,
  ) {
    this.#runner = new Runner(runner);
    this.#log = log;
  }

  /**
   * Connects to the queue at an address, and waits for as long as it cannot be reached: workers are often started before
   * it, and by scripts that do not check.
   * @throws FoveaError as `connectQueue` does, but for a queue that is away; `unsupported` when all the queue's points are for another engine
   */
  static async connect(address: string, options: QueueWorkerOptions = {}): Promise<QueueWorker> {
    const { log = () => undefined } = options;
    const labels = { ...ownLabels(), ...options.labels };
    let said = '';
    const onTrouble = (message: string) => {
      // Every attempt to connect is announced; the log of an outage that lasts a night needs one line.
      if (message !== said) log(message === '' ? 'the queue is back' : message);
      said = message;
    };
    const redis = await whenReachable(() => connectQueue(address, { onTrouble }), {
      onWaiting: (reason) => log(`${reason}; waiting for it`),
    });
    const engine = options.engine ?? engineVersion;
    const wanted = options.name ?? labels.host!;
    try {
      const lanes = await lanesFor(redis, labels);
      const others = lanes.filter((lane) => lane.engine !== engine);
      if (others.length > 0 && others.length === lanes.length) {
        throw new FoveaError(
          'unsupported',
          `worker ${wanted} is refused: it has engine ${engine}, and the points of this queue are for ${others[0]!.engine}`,
        );
      }
      const name = await registerWorker(redis, { labels, engine }, wanted);
      return new QueueWorker(queueName(address), redis, { name, labels, engine }, options);
    } catch (error) {
      redis.disconnect();
      throw error;
    }
  }

  /**
   * Takes points until `stop`.
   * @throws FoveaError `io` when this machine's disk takes nothing more; the point goes back
   */
  async run(): Promise<void> {
    const presence = setInterval(
      () => void keepAlive(this.redis, this.facts).catch(() => undefined),
      presenceMs,
    );
    let bell: string | null = null;
    let lookedMs = Number.NEGATIVE_INFINITY;
    try {
      while (!this.#stopping.signal.aborted) {
        const rung = await this.redis.get(BELL_KEY);
        if (rung !== bell || performance.now() - lookedMs > lookMs) {
          bell = rung;
          await this.#findLanes();
          while (!this.#stopping.signal.aborted && (await this.#takeOne()));
          lookedMs = performance.now();
        }
        await delay(bellMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    } finally {
      clearInterval(presence);
      this.#runner.stop();
      for (const lane of this.#lanes.values()) await lane.close(true);
      await unregisterWorker(this.redis, this.facts.name).catch(() => undefined);
      this.redis.disconnect();
    }
    if (this.#trouble) throw this.#trouble;
  }

  /** Takes no further point. The one that runs may end, for ten seconds; asked again, it goes back at once. */
  stop(): void {
    if (this.#stopping.signal.aborted) this.#hurry.abort();
    this.#stopping.abort();
    setTimeout(() => this.#hurry.abort(), graceMs).unref();
  }

  /** Which lanes there are now, most specific first: a machine does what only it can do before what anyone can. */
  async #findLanes(): Promise<void> {
    const lanes = await lanesFor(this.redis, this.facts.labels);
    const own = lanes.filter(({ engine }) => engine === this.facts.engine);
    for (const { engine } of lanes) {
      if (engine === this.facts.engine || this.#refusedEngines.has(engine)) continue;
      this.#refusedEngines.add(engine);
      this.#log(`points for engine ${engine} are left alone: this worker has ${this.facts.engine}`);
    }
    for (const [queue, worker] of this.#lanes) {
      if (own.some((lane) => lane.queue === queue)) continue;
      this.#lanes.delete(queue);
      await worker.close(true);
    }
    for (const lane of own) {
      if (this.#lanes.has(lane.queue)) continue;
      const worker = new LaneWorker(lane, this.redis, this.facts.name);
      await worker.waitUntilReady();
      await worker.startStalledCheckTimer();
      this.#lanes.set(lane.queue, worker);
    }
  }

  async #takeOne(): Promise<boolean> {
    const labelsOf = ({ lane }: LaneWorker) => Object.keys(lane.where).length;
    for (const worker of [...this.#lanes.values()].sort((a, b) => labelsOf(b) - labelsOf(a))) {
      const token = randomUUID();
      const job = await worker.getNextJob(token, { block: false });
      if (job) {
        await this.#compute(new Lease(this.redis, worker, job, token));
        return true;
      }
      const keys = ['wait', 'active', 'paused', 'delayed', 'prioritized'].map((state) => worker.toKey(state));
      await this.redis.eval(FORGET_LANE, 1 + keys.length, LANES_KEY, ...keys, worker.lane.queue);
    }
    return false;
  }

  async #compute(lease: Lease): Promise<void> {
    const { job, lost } = lease;
    const { id, point } = job.data;
    const signal = AbortSignal.any([lost.signal, this.#hurry.signal]);
    let telling: Promise<unknown> = Promise.resolve();
    const onProgress = (fraction: number) => {
      telling = telling.then(() => job.updateProgress(fraction)).catch(() => undefined);
    };
    let endUse: (() => Promise<void>) | undefined;
    try {
      await lease.checkWanted();
      await lease.checkCovered();
      lost.signal.throwIfAborted();
      if (makesNetwork.has(point.kind) || hashesIn(point).length > 0)
        endUse = await beginUse((await this.#runner.facts()).dataFolder);
      const materials = await this.#materialsOf(point);
      const run = () => this.#runner.run({ id, point, materials }, { signal, onProgress });
      const result = await (measures(point) ? measureAlone(run, signal) : run());
      await telling;
      await this.#handOver(lease.sweep, result);
      await lease.complete(result);
    } catch (error) {
      if (lease.cancelled) await lease.drop();
      else if (this.#hurry.signal.aborted) await lease.giveBack();
      else if (diskRefusal(error) !== undefined) {
        // A worker that stayed would be the fastest of all, and fail whatever the others could compute.
        const why = `worker ${this.facts.name} ends and gives its point back: ${(error as Error).message}`;
        this.#trouble = new FoveaError('io', why);
        this.stop();
        await lease.giveBack();
      } else if (!lost.signal.aborted) {
        this.#log(`point ${id} failed: ${(error as Error).message.split('\n')[0]}`);
        await lease.fail(error as Error);
      }
    } finally {
      await endUse?.();
    }
  }

  /** Puts a network that a point has made where others find it. */
  async #handOver(sweep: string, result: PointResult): Promise<void> {
    const sha256 = keptBy(result);
    if (sha256 === undefined) return;
    const { dataFolder } = await this.#runner.facts();
    await storeMaterial(this.redis, sweep, await keptMaterial(dataFolder, sha256));
    await noteQueued(dataFolder, { queue: this.queue, sweep, hashes: [sha256] });
  }

  /** What a point names by content hash, as paths on this machine. */
  async #materialsOf(point: Point): Promise<MaterialPaths> {
    const hashes = hashesIn(point);
    if (hashes.length === 0) return {};
    const { dataFolder } = await this.#runner.facts();
    const cache = storedFolder(dataFolder, 'materials');
    for (const hash of hashes) {
      const known = this.#materials.get(hash);
      // Between two points it may have been removed.
      if (known !== undefined && existsSync(known)) await touch(join(cache, hash));
      else this.#materials.set(hash, await fetchMaterial(this.redis, hash, cache));
    }
    return Object.fromEntries(hashes.map((hash) => [hash, this.#materials.get(hash)!]));
  }
}

async function lanesFor(redis: QueueConnection, labels: Where): Promise<Lane[]> {
  const lanes = Object.values(await redis.hgetall(LANES_KEY)).map((text) => JSON.parse(text) as Lane);
  return lanes.filter(({ where }) => serves(labels, where));
}
