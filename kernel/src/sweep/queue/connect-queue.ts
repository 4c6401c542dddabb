import { Redis } from 'ioredis';
import { WORKERS_KEY } from './keys.js';
import { queueOptions, shown } from './queue-address.js';
import { asQueueError } from './queue-errors.js';

/** How long a queue may take to answer the first time. */
const connectTimeoutMs = 8000;

/** A connection that reconnects automatically; requests wait in the meantime. */
export type QueueConnection = Redis;

export interface ConnectOptions {
  /** Called when the connection is lost, and with "" when it is back. */
  readonly onTrouble?: (message: string) => void;
  /** Aborting it ends an attempt to connect. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects to a queue, in one attempt.
 * @throws QueueUnreachable, or FoveaError `io` for credentials or certificates that are refused and keys that may not be
 *   used; one line each
 */
export async function connectQueue(
  address: string,
  { onTrouble = () => undefined, signal }: ConnectOptions = {},
): Promise<QueueConnection> {
  const options = queueOptions(address);
  const name = shown(new URL(address));
  const connection = new Redis({
    ...options,
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => (ready ? Math.min(100 * attempt, 1000) : null),
  });
  let ready = false;
  let last: Error | undefined;
  connection.on('error', (error: Error) => {
    last = error;
  });
  const giveUp = () => connection.disconnect();
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await connection.connect();
    await connection.ping();
    await connection.smembers(WORKERS_KEY);
    // A database that does not exist is reported only here; unnoticed, the first one would be used instead.
    if (last) throw last;
    ready = true;
  } catch (error) {
    connection.disconnect();
    throw asQueueError(name, options, last ?? (error as Error), error as Error);
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  connection.on('reconnecting', () => onTrouble(`the connection to the queue ${name} is lost; trying again`));
  connection.on('ready', () => onTrouble(''));
  return connection;
}
