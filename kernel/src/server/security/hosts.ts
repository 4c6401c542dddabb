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

  /** Whether this is an accepted host, given with or without a port. */
  accepts(host: string): boolean {
    const name = hostName(host);
    if (name === undefined) return false;
    return isLoopback(name) || this.names.has(name) || (this.remote && isIP(name) !== 0);
  }
}

/** Whether an address is on this host; an address leaves out the port that is its scheme's own. */
function isOn(address: string, host: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, host: own } = new URL(address);
  const port = protocol === 'https:' ? ':443' : ':80';
  const named = host.toLowerCase();
  return own === named || `${own}${port}` === named;
}

/** Whether a request's Origin, when it has one, is this server, which the browser knows as `host`. */
export function isSameOrigin(request: IncomingMessage, host: string): boolean {
  const { origin } = request.headers;
  return origin === undefined || isOn(origin, host);
}

/**
 * Whether the browser says that another site's page caused this request. Pages on other ports of this machine
 * count as other sites here, although a browser sends them our cookies.
 */
export function isCrossSite(request: IncomingMessage, host: string): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'cross-site' || site === 'same-site';
  const { referer } = request.headers;
  return referer !== undefined && !isOn(referer, host);
}
