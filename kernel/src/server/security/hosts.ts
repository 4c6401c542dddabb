import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Whether an address or name can only mean this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** The name in a Host header, without port and brackets; undefined when the header is malformed. */
export function hostName(header: string | undefined): string | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/\s@]+))(?::\d{1,5})?$/i.exec(header ?? '');
  return (found?.[1] ?? found?.[2])?.toLowerCase();
}

/**
 * Which Host headers are answered. A foreign name that resolves to this machine is how DNS rebinding reaches a
 * loopback server, so that by default only loopback names pass. Once the server listens on other addresses,
 * plain addresses and this machine's own name pass too, since a rebound name is neither.
 */
export class HostCheck {
  private readonly names: ReadonlySet<string>;
  private readonly remote: boolean;

  constructor(ip: string, allowed: readonly string[] = []) {
    this.remote = !isLoopback(ip);
    this.names = new Set(
      [...allowed, ...(this.remote ? [hostname()] : [])].map((name) => name.toLowerCase()),
    );
  }

  /** Whether a request names an accepted host. */
  accepts(request: IncomingMessage): boolean {
    const name = hostName(request.headers.host);
    if (name === undefined) return false;
    return isLoopback(name) || this.names.has(name) || (this.remote && isIP(name) !== 0);
  }
}

/** Whether a request's Origin, when it has one, is this server as the request itself addresses it. */
export function isSameOrigin(request: IncomingMessage): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}

/**
 * Whether the browser says that another site's page caused this request. Pages on other ports of this machine
 * count as other sites here, although a browser sends them our cookies.
 */
export function isCrossSite(request: IncomingMessage): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'cross-site' || site === 'same-site';
  const { referer, host } = request.headers;
  return referer !== undefined && !(URL.canParse(referer) && new URL(referer).host === host?.toLowerCase());
}
