import { readFileSync } from 'node:fs';
import { FoveaError } from '@fovea/engine/errors';
import { Redis, type RedisOptions } from 'ioredis';
import { WORKERS_KEY } from './keys.js';

/** How long a queue may take to answer the first time. */
const connectTimeoutMs = 8000;

/** What of a TLS connection the address may name, each the path of a PEM file. */
const certificates = ['ca', 'cert', 'key'] as const;

/**
 * Reads the address of a queue: `redis://[user:password@]host[:port][/database]`, or `rediss://…` with `ca`, `cert` and
 * `key` as parameters. A password left out is taken from `FOVEA_QUEUE_PASSWORD`.
 *
 * @throws FoveaError `bad-argument` for anything else, `io` for a certificate that cannot be read
 */
export function queueOptions(address: string): RedisOptions {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new FoveaError(
      'bad-argument',
      `queue ${address}: redis://host:port or rediss://host:port is accepted`,
    );
  }
  const tls = url.protocol === 'rediss:';
  if (!(tls || url.protocol === 'redis:') || url.hostname === '')
    throw new FoveaError(
      'bad-argument',
      `queue ${shown(url)}: redis://host:port or rediss://host:port is accepted`,
    );
  const database = url.pathname.replace(/^\//, '');
  if (!/^\d{0,4}$/.test(database))
    throw new FoveaError('bad-argument', `queue ${shown(url)}: /${database} is not the number of a database`);
  for (const name of url.searchParams.keys()) {
    if (!(certificates as readonly string[]).includes(name))
      throw new FoveaError(
        'bad-argument',
        `queue ${shown(url)}: parameter "${name}"; ${certificates.join(', ')} are accepted`,
      );
  }
  if (!tls && url.search !== '')
    throw new FoveaError('bad-argument', `queue ${shown(url)}: certificates are for rediss:// addresses`);
  const password = decodeURIComponent(url.password) || process.env.FOVEA_QUEUE_PASSWORD;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
    ...(password ? { password } : {}),
    ...(database ? { db: Number(database) } : {}),
    ...(tls ? { tls: tlsOptions(url) } : {}),
  };
}

/** A queue, whoever uses it with whatever credentials: `host:port/database`. */
export function queueName(address: string): string {
  const { host, port, db = 0 } = queueOptions(address);
  return `${host}:${port}/${db}`;
}

function tlsOptions(url: URL): Record<string, Buffer> {
  const found = certificates.flatMap((name) => {
    const path = url.searchParams.get(name);
    if (path === null) return [];
    try {
      return [[name, readFileSync(path)] as const];
    } catch (cause) {
      throw new FoveaError('io', `queue ${shown(url)}: ${name} ${path} cannot be read`, { cause });
    }
  });
  return Object.fromEntries(found);
}

/** An address for messages, without its password. */
export function shown(url: URL): string {
  return `${url.protocol}//${url.username ? `${url.username}@` : ''}${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}

/** A connection that reconnects automatically; requests wait in the meantime. */
export type QueueConnection = Redis;

/** No server answers at the address of a queue at the moment; unlike refused credentials, that may pass. */
export class QueueUnreachable extends FoveaError {
  constructor(message: string, options?: ErrorOptions) {
    super('io', message, options);
  }
}

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
    throw asQueueError(name, last ?? (error as Error), error as Error);
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  connection.on('reconnecting', () => onTrouble(`the connection to the queue ${name} is lost; trying again`));
  connection.on('ready', () => onTrouble(''));
  return connection;
}

/** Why there is no answer, by the system's code. */
const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name cannot be looked up',
  ETIMEDOUT: 'no answer in time',
  ECONNRESET: 'it closes the connection',
  EPIPE: 'it closes the connection',
  EHOSTUNREACH: 'no way leads there',
  ENETUNREACH: 'no way leads there',
};

/** Why a connection did not come about. */
function asQueueError(name: string, ...errors: readonly [Error, ...Error[]]): FoveaError {
  const text = errors.map(({ message }) => message).join(' ');
  const code = errors.map((error) => (error as NodeJS.ErrnoException).code).find((each) => each) ?? '';
  const [said] = errors[0].message.split('\n');
  const refused = (reason: string) => new FoveaError('io', `queue ${name} ${reason}`, { cause: errors[0] });
  if (/WRONGPASS|NOAUTH|invalid username-password|called without any password/i.test(text))
    return refused('refuses these credentials');
  if (/NOPERM/.test(text))
    return refused(
      `lets this account not use keys that begin with fovea: (${text.replace(/^.*NOPERM/, 'NOPERM').split('\n')[0]})`,
    );
  if (/certificate|SSL|TLS|alert/i.test(text) || /CERT|SSL|TLS/.test(code))
    return refused(`cannot be spoken to over TLS: ${said}`);
  const passing = /Connection is closed|LOADING|max number of clients/.test(text);
  if (!(code in unreachable) && !passing) return refused(`cannot be used: ${said}`);
  return new QueueUnreachable(`queue ${name} cannot be reached: ${unreachable[code] ?? said}`, {
    cause: errors[0],
  });
}
