import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { replaceFile, temporaryName } from '@fovea/engine/files';
import { dataFolder } from '@fovea/engine/internal';
import { Queue } from 'bullmq';
import { AsyncQueue } from '../async-queue.js';
import type { StorePruned, Submission, SweepBackend, SweepEvent, SweepSummary } from '../backend.js';
import { engineVersion } from '../engine-version.js';
import { keepNetwork, keptPath } from '../kept-networks.js';
import type { IdentifiedPoint, PointRecord, PointResult } from '../point.js';
import type { SweepSpace } from '../space/space.js';
import { forgetQueued, noteQueued } from '../storage/queued.js';
import { References } from '../storage/references.js';
import { touch } from '../storage/stored.js';
import { connectQueue, type QueueConnection } from './connect-queue.js';
import { EventReader } from './events.js';
import { JOB_OPTIONS, type JobData, type PointJob, type PointQueue, recordOf } from './job.js';
import {
  BELL_KEY,
  LANES_KEY,
  type Lane,
  laneOf,
  PREFIX,
  SWEEPS_KEY,
  sweepEventsKey,
  sweepKey,
  sweepLanesKey,
  sweepMaterialsKey,
} from './keys.js';
import { livingWorkers } from './presence.js';
import { queueName } from './queue-address.js';
import { changedElsewhere } from './queue-errors.js';
import { obstacleOf, routeEvent } from './routes.js';
import { fetchMaterial, pruneMaterials, storeMaterial } from './store.js';
import { dropWaiting, ENDED, keepPoints, lanesOf, removeSweep, summaryOf, WAITING } from './sweeps.js';
import { whenReachable } from './when-reachable.js';

/** Points added with one message. */
const ADD_AT_ONCE = 500;
/** Records read with one message. */
const READ_AT_ONCE = 1000;
/** How often the queues themselves are looked at, whatever events there were. */
const lookMs = 2000;

/** How long a cancellation waits for workers to drop their points. */
const cancelMs = 8000;

/** Points of a queue as they were handed in. */
interface Submitted {
  readonly points: readonly IdentifiedPoint[];
  /** How often the sweep had been cancelled by then: after another time they are not wanted any more. */
  readonly cancellations: number;
  /** How many spaces had dropped points by then, with the same meaning. */
  readonly spaces: number;
  /** How many points the queue held with them, those of an earlier space too. */
  held: number;
}

export interface QueueBackendOptions {
  /** Version of the engine that points are made for. */
  readonly engine?: string;
  /** How long to wait for a queue that cannot be reached; not at all when left out. */
  readonly waitMs?: number;
  /** Called with the reason while the queue is waited for. */
  readonly onWaiting?: ((reason: string) => void) | undefined;
  /** Aborting it ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** Sweeps on a queue in Redis or Valkey, which `fovea worker` serves on any number of machines. */
export class QueueBackend implements SweepBackend {
  readonly #queues = new Map<string, PointQueue>();
  /** What was handed in here, by queue: a server that lost it in a crash is given it again. */
  readonly #submitted = new Map<string, Submitted>();
  /** How many spaces had dropped points when a sweep was handed in here. */
  readonly #spaces = new Map<string, number>();
  readonly #trouble = new Set<(message: string) => void>();
  readonly #engine: string;

  private constructor(
    /** The queue, as `host:port/database`. */
    readonly queue: string,
    private readonly redis: QueueConnection,
    options: QueueBackendOptions,
  ) {
    this.#engine = options.engine ?? engineVersion;
  }

  /**
   * Connects to the queue at an address.
   * @throws FoveaError `bad-argument` for an address that is none, `io` when it cannot be reached or refuses, `aborted`
   */
  static async connect(address: string, options: QueueBackendOptions = {}): Promise<QueueBackend> {
    let backend: QueueBackend | undefined;
    const { waitMs = 0, onWaiting, signal } = options;
    const onTrouble = (message: string) => {
      for (const tell of backend ? backend.#trouble : []) tell(message);
    };
    const redis = await whenReachable(() => connectQueue(address, { onTrouble, signal }), {
      ...{ waitMs, onWaiting, signal },
    });
    backend = new QueueBackend(queueName(address), redis, options);
    return backend;
  }

  async submit({ sweep, points, materials, space, retryFailed }: Submission): Promise<void> {
    const ids = points.map(({ id }) => id);
    const { spaces, dropped } = await keepPoints(this.redis, sweep, space, ids);
    this.#spaces.set(sweep, spaces);
    if (dropped.size > 0) await this.#drop(sweep, dropped);
    await this.redis.sadd(SWEEPS_KEY, sweep);
    for (const material of materials) await storeMaterial(this.redis, sweep, material);
    await this.#note(
      sweep,
      materials.map(({ sha256 }) => sha256),
    );
    const cancellations = await this.#cancellations(sweep);
    const byLane = new Map<string, { lane: Lane; points: IdentifiedPoint[] }>();
    for (const point of points) {
      const lane = laneOf(sweep, point.point.where, this.#engine);
      const group = byLane.get(lane.queue) ?? { lane, points: [] };
      group.points.push(point);
      byLane.set(lane.queue, group);
    }
    for (const { lane, points: own } of byLane.values()) {
      const queue = this.#queue(lane.queue);
      await this.redis.sadd(sweepLanesKey(sweep), JSON.stringify(lane));
      if (retryFailed) await removeFailed(queue);
      const submitted = { points: own, cancellations, spaces, held: own.length };
      this.#submitted.set(lane.queue, submitted);
      await this.#add(lane, submitted);
      submitted.held = await countAll(queue);
      if (await queue.isPaused()) await queue.resume();
    }
  }

  async *events(sweep: string, signal: AbortSignal): AsyncIterable<SweepEvent> {
    const channel = new AsyncQueue<SweepEvent>();
    const tell = (message: string) => channel.push({ type: 'trouble', message });
    const end = () => channel.end();
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    this.#trouble.add(tell);
    const reading = this.redis.duplicate();
    reading.on('error', () => undefined);
    const failed = (error: unknown) => channel.end(error);
    this.#readStreams(reading, sweep, channel, signal).catch(failed);
    this.#look(sweep, channel, signal).catch(failed);
    try {
      yield* channel;
    } finally {
      signal.removeEventListener('abort', end);
      this.#trouble.delete(tell);
      channel.end();
      reading.disconnect();
    }
  }

  async *records(sweep: string): AsyncIterable<PointRecord> {
    for (const { queue } of await this.#lanes(sweep)) yield* this.#recordsOf(this.#queue(queue), 0);
  }

  async fetchNetwork(sweep: string, sha256: string): Promise<void> {
    const path = keptPath(dataFolder(), sha256);
    if (existsSync(path)) await touch(path);
    else {
      await keepNetwork(dataFolder(), async (to) => {
        const scratch = temporaryName(to);
        const fetched = await fetchMaterial(this.redis, sha256, scratch);
        await replaceFile(to, await readFile(fetched));
        await rm(scratch, { recursive: true, force: true });
      });
    }
    await this.#note(sweep, [sha256]);
  }

  async referencesOf(sweep: string): Promise<References> {
    const references = new References();
    for (const hash of await this.redis.smembers(sweepMaterialsKey(sweep))) references.add(hash);
    return references;
  }

  pruneStore(options: Parameters<SweepBackend['pruneStore']>[0]): Promise<StorePruned> {
    return pruneMaterials(this.redis, options);
  }

  async space(sweep: string): Promise<SweepSpace | undefined> {
    const text = await this.redis.hget(sweepKey(sweep), 'space');
    return text === null ? undefined : (JSON.parse(text) as SweepSpace);
  }

  async pause(sweep: string): Promise<void> {
    for (const { queue } of await this.#lanes(sweep)) await this.#queue(queue).pause();
  }

  async resume(sweep: string): Promise<void> {
    for (const lane of await this.#lanes(sweep)) {
      await this.#queue(lane.queue).resume();
      await this.#announce(lane);
    }
  }

  async cancel(sweep: string): Promise<void> {
    await this.redis.hincrby(sweepKey(sweep), 'cancellations', 1);
    const queues = (await lanesOf(this.redis, sweep)).map(({ queue }) => this.#queue(queue));
    for (const { name } of queues) this.#submitted.delete(name);
    // Workers notice when they next renew their locks, and drop what they compute; who is adding points notices with
    // the next part.
    for (const deadline = performance.now() + cancelMs; ; ) {
      for (const queue of queues) await queue.drain(true);
      await delay(lookMs / 10);
      const left = await Promise.all(queues.map((queue) => queue.getJobCountByTypes(...WAITING, 'active')));
      if (left.every((count) => count === 0) || performance.now() > deadline) break;
    }
    await this.redis.xadd(sweepEventsKey(sweep), 'MAXLEN', 100, '*', 'event', 'cancelled');
  }

  async list(): Promise<SweepSummary[]> {
    const names = (await this.redis.smembers(SWEEPS_KEY)).sort();
    const summaries = await Promise.all(names.map((name) => this.#summary(name)));
    return summaries.filter((summary) => summary !== undefined);
  }

  async remove(sweep: string): Promise<void> {
    const summary = await this.#summary(sweep);
    if (summary) await removeSweep(this.redis, summary, ({ queue }) => this.#queue(queue));
    await forgetQueued(dataFolder(), this.queue, sweep);
  }

  async close(): Promise<void> {
    for (const queue of this.#queues.values()) await queue.close();
    this.#queues.clear();
    this.redis.disconnect();
  }

  #queue(name: string): PointQueue {
    let queue = this.#queues.get(name);
    if (!queue) {
      queue = new Queue<JobData, PointResult>(name, { connection: this.redis, prefix: PREFIX });
      // Reported as trouble of the shared connection.
      queue.on('error', () => undefined);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** What is stored on this machine stays while the queue has the sweep. */
  #note(sweep: string, hashes: readonly string[]): Promise<void> {
    return noteQueued(dataFolder(), { queue: this.queue, sweep, hashes });
  }

  #summary(sweep: string): Promise<SweepSummary | undefined> {
    return summaryOf(this.redis, sweep, ({ queue }) => this.#queue(queue));
  }

  /** The queues of a sweep whose points are for this engine. */
  async #lanes(sweep: string): Promise<Lane[]> {
    return (await lanesOf(this.redis, sweep)).filter(({ engine }) => engine === this.#engine);
  }

  async #cancellations(sweep: string): Promise<number> {
    return Number(await this.redis.hget(sweepKey(sweep), 'cancellations'));
  }

  /** Whether points are not wanted any more since they were handed in: the sweep was cancelled, or covers others now. */
  async #isOver(sweep: string, { cancellations, spaces }: Submitted): Promise<boolean> {
    const [cancelled, changed] = await this.redis.hmget(sweepKey(sweep), 'cancellations', 'spaces');
    return Number(cancelled) > cancellations || Number(changed) > spaces;
  }

  /** Takes out what waits of an earlier space: a worker would compute for hours what nobody asks for any more. */
  async #drop(sweep: string, dropped: ReadonlySet<string>): Promise<void> {
    for (const { queue } of await lanesOf(this.redis, sweep)) {
      this.#submitted.delete(queue);
      await dropWaiting(this.#queue(queue), dropped);
    }
  }

  /** Adds the points that are not there, as long as they are wanted. */
  async #add(lane: Lane, submitted: Submitted): Promise<void> {
    const { points, cancellations } = submitted;
    for (let at = 0; at < points.length; at += ADD_AT_ONCE) {
      if (await this.#isOver(lane.sweep, submitted)) return;
      const jobs = points.slice(at, at + ADD_AT_ONCE).map(({ id, point }) => ({
        name: 'point',
        data: { id, point, cancellations },
        opts: { ...JOB_OPTIONS, jobId: id },
      }));
      const queue = this.#queue(lane.queue);
      await queue.addBulk(jobs);
      // What happened in between has emptied the queue before these came.
      if (await this.#isOver(lane.sweep, submitted)) {
        await Promise.all(jobs.map(({ data }) => removeStale(queue, data)));
        return;
      }
      // Announced again after every part: a worker that found the queue empty may have taken it off the list.
      await this.#announce(lane);
    }
  }

  async #announce(lane: Lane): Promise<void> {
    await this.redis.hset(LANES_KEY, lane.queue, JSON.stringify(lane));
    await this.redis.incr(BELL_KEY);
  }

  async *#recordsOf(queue: PointQueue, from: number): AsyncIterable<PointRecord> {
    for (const state of ENDED) {
      for (let at = from; ; at += READ_AT_ONCE) {
        const jobs = (await queue.getJobs([state], at, at + READ_AT_ONCE - 1, true)) as PointJob[];
        for (const job of jobs) {
          const record = recordOf(job);
          if (record) yield record;
        }
        if (jobs.length < READ_AT_ONCE) break;
      }
    }
  }

  async #readStreams(
    redis: QueueConnection,
    sweep: string,
    channel: AsyncQueue<SweepEvent>,
    signal: AbortSignal,
  ): Promise<void> {
    const reader = new EventReader(redis, sweep);
    while (!signal.aborted) {
      try {
        const queues = (await this.#lanes(sweep)).map(({ queue }) => this.#queue(queue));
        const events = await reader.read(new Map(queues.map((queue) => [queue.toKey('events'), queue])));
        for (const event of events) channel.push(event);
      } catch (error) {
        if (signal.aborted) return;
        channel.push({
          type: 'trouble',
          message: `the queue's events cannot be read: ${(error as Error).message}`,
        });
        await delay(lookMs);
      }
    }
  }

  /** Records that no event has announced, and points that no worker takes. */
  async #look(sweep: string, channel: AsyncQueue<SweepEvent>, signal: AbortSignal): Promise<void> {
    const seen = new Map<string, number>();
    const reported = new Map<string, string | undefined>();
    while (!signal.aborted) {
      await delay(lookMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const spaces = Number(await this.redis.hget(sweepKey(sweep), 'spaces'));
      if (spaces > (this.#spaces.get(sweep) ?? spaces)) return channel.end(changedElsewhere(sweep));
      const workers = await livingWorkers(this.redis);
      for (const lane of await this.#lanes(sweep)) {
        const queue = this.#queue(lane.queue);
        const counts = await queue.getJobCounts(...ENDED, ...WAITING, 'active');
        const sum = (states: readonly string[]) =>
          states.reduce((all, state) => all + (counts[state] ?? 0), 0);
        if (sum(ENDED) !== seen.get(lane.queue)) {
          seen.set(lane.queue, sum(ENDED));
          for await (const record of this.#recordsOf(queue, 0)) channel.push({ type: 'record', record });
        }
        const submitted = this.#submitted.get(lane.queue);
        if (submitted && sum(Object.keys(counts)) < submitted.held) {
          await this.#add(lane, submitted);
          submitted.held = await countAll(queue);
        }
        const waiting = sum(WAITING);
        if (waiting > 0) await this.#announce(lane);
        const reason = waiting === 0 ? undefined : obstacleOf(lane, workers, waiting);
        if (reason === reported.get(lane.queue)) continue;
        reported.set(lane.queue, reason);
        channel.push(routeEvent(lane, waiting, reason));
      }
    }
  }
}

/** How many points a queue holds in any state. */
const countAll = (queue: PointQueue): Promise<number> =>
  queue.getJobCountByTypes(...ENDED, ...WAITING, 'active');

async function removeFailed(queue: PointQueue): Promise<void> {
  for (const job of await queue.getFailed()) await job.remove();
}

/** Takes out a point that was added too late; one that a worker has taken already it drops by itself. */
async function removeStale(queue: PointQueue, { id, cancellations }: JobData): Promise<void> {
  const job = await queue.getJob(id);
  if (job?.data.cancellations === cancellations) await queue.remove(id);
}
