import type { SweepEvent } from '../backend.js';
import type { PointRecord } from '../point.js';
import type { QueueConnection } from './connect-queue.js';
import { fetchRecord, type PointQueue } from './job.js';
import { sweepEventsKey } from './keys.js';

/** How long one read of the streams waits. */
const blockMs = 500;
/** Events of one read. */
const READ_AT_ONCE = 500;

/** Reads what happens in the queues of a sweep: one blocking read of all their event streams. */
export class EventReader {
  /** Id of the last event that was read, by stream. */
  readonly #last = new Map<string, string>();
  #watching = false;

  constructor(
    private readonly redis: QueueConnection,
    private readonly sweep: string,
  ) {}

  /**
   * Waits for events for at most half a second.
   * @param queues those that the sweep has now, by the key of their event stream
   */
  async read(queues: ReadonlyMap<string, PointQueue>): Promise<SweepEvent[]> {
    const keys = [sweepEventsKey(this.sweep), ...queues.keys()];
    for (const key of keys) {
      // For a queue that is created while it is watched, all events are new.
      if (!this.#last.has(key)) this.#last.set(key, this.#watching ? '0-0' : await this.#newest(key));
    }
    this.#watching = true;
    const known = keys.map((key) => this.#last.get(key)!);
    const answer = await this.redis.xread(
      'COUNT',
      READ_AT_ONCE,
      'BLOCK',
      blockMs,
      'STREAMS',
      ...keys,
      ...known,
    );
    const events: (SweepEvent | Promise<SweepEvent | undefined> | undefined)[] = [];
    for (const [key, entries] of answer ?? []) {
      for (const [id, fields] of entries) {
        this.#last.set(key, id);
        events.push(asEvent(toObject(fields), queues.get(key)));
      }
    }
    return (await Promise.all(events)).filter((event) => event !== undefined);
  }

  async #newest(key: string): Promise<string> {
    const [entry] = await this.redis.xrevrange(key, '+', '-', 'COUNT', 1);
    return entry?.[0] ?? '0-0';
  }
}

function toObject(fields: readonly string[]): Readonly<Record<string, string>> {
  const pairs = Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i]!, fields[2 * i + 1]!]);
  return Object.fromEntries(pairs);
}

function asEvent(
  fields: Readonly<Record<string, string>>,
  queue: PointQueue | undefined,
): SweepEvent | Promise<SweepEvent | undefined> | undefined {
  const { event, jobId: id = '', data } = fields;
  switch (event) {
    case 'active':
      return { type: 'started', id, worker: '' };
    case 'progress':
      return { type: 'progress', id, fraction: Number(data) };
    case 'stalled':
      return { type: 'returned', id };
    case 'paused':
    case 'resumed':
      return { type: event };
    case 'cancelled':
      return { type: 'cancelled' };
    case 'completed':
    case 'failed':
      return queue && fetchRecord(queue, id).then((record) => record && recordEvent(record));
    default:
      return undefined;
  }
}

const recordEvent = (record: PointRecord): SweepEvent => ({ type: 'record', record });
