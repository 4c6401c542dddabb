import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { FoveaError } from '@fovea/engine/errors';
import type { RedisOptions } from 'ioredis';

/** What of a TLS connection the address may name, each the path of a PEM file. */
const certificates = ['ca', 'cert', 'key'] as const;

/**
 * Reads the address of a queue: `redis://[user:password@]host[:port][/database]`, or `rediss://…` with `ca`, `cert` and
 * `key` as parameters. A password left out is taken from `FOVEA_QUEUE_PASSWORD`.
 *
 * @throws FoveaError `bad-argument` for anything else, also files of the wrong content; `io` for a file that cannot be read
 */
export function queueOptions(address: string): RedisOptions {
  const url = parsed(address);
  const tls = url.protocol === 'rediss:';
  if (!(tls || url.protocol === 'redis:') || url.hostname === '')
    throw refused(shown(url), 'redis://host:port or rediss://host:port is accepted');
  const database = url.pathname.replace(/^\//, '');
  if (!/^\d{0,4}$/.test(database)) throw refused(shown(url), `/${database} is not the number of a database`);
  for (const name of url.searchParams.keys()) {
    if (!(certificates as readonly string[]).includes(name))
      throw refused(shown(url), `parameter "${name}"; ${certificates.join(', ')} are accepted`);
  }
  if (!tls && url.search !== '') throw refused(shown(url), 'certificates are for rediss:// addresses');
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

/** An address for messages, without its password. */
export function shown(url: URL): string {
  return `${url.protocol}//${url.username ? `${url.username}@` : ''}${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}

/** The parts of an address. What is not read as one may hold a password anywhere, so no message shows it as it is. */
function parsed(address: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(address);
    decodeURIComponent(url.username + url.password);
  } catch {
    url = undefined;
  }
  // A password with one of these in it ends the host early, and its rest is read as a path or a parameter.
  const isCut = url && `${url.pathname}${url.search.split('=', 1)[0]}${url.hash}`.includes('@');
  if (url && !isCut) return url;
  const at = address.lastIndexOf('@');
  const masked = at < 0 ? address : `${/^[a-z]+:\/\//.exec(address)?.[0] ?? ''}…${address.slice(at)}`;
  throw refused(
    masked,
    'redis://[user:password@]host:port or rediss://… is accepted, with # / ? @ : % in a password written as %23 %2F %3F %40 %3A %25',
  );
}

function tlsOptions(url: URL): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  const path = (name: (typeof certificates)[number]) => url.searchParams.get(name) ?? undefined;
  const read = (name: (typeof certificates)[number]): Buffer | undefined => {
    const file = path(name);
    if (file === undefined) return undefined;
    try {
      return readFileSync(file);
    } catch (cause) {
      throw new FoveaError('io', `queue ${shown(url)}: ${name} ${file} cannot be read`, { cause });
    }
  };
  const [ca, cert, key] = [read('ca'), read('cert'), read('key')];
  const fail = (problem: string): never => {
    throw refused(shown(url), problem);
  };
  if ((cert === undefined) !== (key === undefined))
    fail(`${cert ? 'cert without key' : 'key without cert'}; a client certificate needs both`);
  const wanted = 'certificate in PEM form';
  if (ca) content(() => new X509Certificate(ca)) ?? fail(`ca ${path('ca')} has no ${wanted}`);
  if (cert && key) {
    const own = content(() => new X509Certificate(cert)) ?? fail(`cert ${path('cert')} has no ${wanted}`);
    const secret: KeyObject =
      content(() => createPrivateKey(key)) ??
      fail(`key ${path('key')} has no private key in PEM form that is readable without a passphrase`);
    if (!own.checkPrivateKey(secret))
      fail(`key ${path('key')} does not belong to the certificate ${path('cert')}`);
  }
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

/** What a file holds, or nothing where it holds something else. */
function content<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function refused(address: string, problem: string): FoveaError {
  return new FoveaError('bad-argument', `queue ${address}: ${problem}`);
}
