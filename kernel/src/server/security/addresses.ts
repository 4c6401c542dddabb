import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { FoveaError } from '@fovea/engine';
import { HttpError } from '../http/errors.js';

/** How the browser addresses this server, which behind a proxy is not how the request arrives. */
export interface Address {
  /** Host name, with the port unless it is the scheme's own. */
  readonly host: string;
  /** Whether the browser speaks TLS. */
  readonly secure: boolean;
}

const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** The proxies whose word on the browser's side of the connection is taken; from all others it is ignored. */
export class TrustedProxies {
  private readonly list = new BlockList();

  /**
   * @param proxies addresses, or networks as `10.0.0.0/8`
   * @throws FoveaError `bad-argument` for anything else
   */
  constructor(proxies: readonly string[]) {
    for (const proxy of proxies) {
      const [address = '', bits, ...rest] = proxy.split('/');
      const most = isIP(address) === 6 ? 128 : 32;
      const isBits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
      if (isIP(address) === 0 || !isBits || rest.length > 0) {
        throw new FoveaError('bad-argument', `Proxy ${proxy}: an IP address, or a network as 10.0.0.0/8`);
      }
      this.list.addSubnet(address, bits === undefined ? most : Number(bits), family(address));
    }
  }

  /**
   * How the browser addresses this server.
   * @throws HttpError 400 for a request without a Host, or with two
   */
  addressOf(request: IncomingMessage): Address {
    const hosts = request.rawHeaders.filter(
      (text, index) => index % 2 === 0 && text.toLowerCase() === 'host',
    );
    const { host } = request.headers;
    if (hosts.length !== 1 || host === undefined) throw new HttpError(400, 'One Host header is accepted');
    if (!this.isTrusted(request.socket.remoteAddress)) return { host, secure: false };
    const secure = forwarded(request, 'x-forwarded-proto')?.toLowerCase() === 'https';
    const name = forwarded(request, 'x-forwarded-host') ?? host;
    const port = forwarded(request, 'x-forwarded-port');
    const isShort = port === undefined || port === (secure ? '443' : '80') || /:\d+$/.test(name);
    return { host: isShort ? name : `${name}:${port}`, secure };
  }

  private isTrusted(remote: string | undefined): boolean {
    const address = remote?.replace(/^::ffff:(?=\d+\.)/, '');
    return address !== undefined && isIP(address) !== 0 && this.list.check(address, family(address));
  }
}

/** What the proxy itself wrote: the last of several values, those before it came with the request. */
function forwarded(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  const text = Array.isArray(value) ? value.at(-1) : value;
  return text?.split(',').at(-1)?.trim() || undefined;
}
