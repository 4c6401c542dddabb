import type { IncomingMessage } from 'node:http';
import { HttpError } from '../http/errors.js';
import type { Principal } from '../http/router.js';
import type { Address, TrustedProxies } from './addresses.js';
import type { LoginCookies } from './cookies.js';
import { type HostCheck, isCrossSite, isSameOrigin } from './hosts.js';
import { Ticket } from './ticket.js';
import { sameSecret, tokenOf } from './token.js';

const READING = new Set(['GET', 'HEAD']);

/** Determines who sent a request and whether it may pass, independently of what it requests. */
export class Guard {
  /** Logs in the browser that the lab opens. */
  readonly ticket = new Ticket();

  /** @param token the secret of this start; empty where the user switched authentication off */
  constructor(
    private readonly token: string,
    private readonly cookies: LoginCookies,
    private readonly hosts: HostCheck,
    private readonly proxies: TrustedProxies,
  ) {}

  /**
   * How the browser addresses this server.
   * @throws HttpError 400 for no Host or two, 403 for one that is not this server's
   */
  addressOf(request: IncomingMessage): Address {
    const address = this.proxies.addressOf(request);
    if (!this.hosts.accepts(address.host)) {
      throw new HttpError(403, 'This host name is not accepted; --allow-host NAME accepts it');
    }
    return address;
  }

  /** How the request proves who sent it, or undefined when it does not. */
  principal(request: IncomingMessage, query: URLSearchParams): Principal | undefined {
    const token = tokenOf(request, query);
    if (this.token !== '' && token !== undefined && sameSecret(token, this.token)) return 'token';
    if (this.cookies.isLoggedIn(request)) return 'cookie';
    return this.token === '' ? 'open' : undefined;
  }

  /** Whether a request carries the ticket, which it uses up. */
  takesTicket(request: IncomingMessage, query: URLSearchParams): boolean {
    return request.method === 'GET' && this.ticket.take(query.get('ticket'), request.socket);
  }

  /** Whether this is the token that logs in. */
  isToken(text: string): boolean {
    return this.token !== '' && sameSecret(text, this.token);
  }

  /** `Set-Cookie` values for a browser that proved itself. */
  issueCookies({ secure }: Address): readonly string[] {
    return this.cookies.issue(secure);
  }

  /** `Set-Cookie` values for a browser that logs out. */
  expireCookies(): readonly string[] {
    return this.cookies.expire();
  }

  /**
   * Checks a request that a browser may have been tricked into sending, which is every one that does not carry
   * the token itself.
   * @throws HttpError 403 or 404 when another site caused it
   */
  checkForgery(request: IncomingMessage, principal: Principal, { host }: Address): void {
    if (principal === 'token') return;
    if (!isSameOrigin(request, host)) throw new HttpError(404, 'Not found');
    if (isCrossSite(request, host)) throw new HttpError(403, 'Requests from other sites are not accepted');
    if (!READING.has(request.method ?? 'GET') && !this.cookies.hasXsrfHeader(request)) {
      throw new HttpError(403, `'_xsrf' argument missing from ${request.method ?? ''}`, 'xsrf');
    }
  }

  /**
   * Who opens a WebSocket, to be asked before the upgrade is completed.
   * @throws HttpError 403 without proof, for a foreign host, or for a cross-origin request with a cookie
   */
  checkWebSocket(request: IncomingMessage, query: URLSearchParams): Principal {
    const { host } = this.addressOf(request);
    const principal = this.principal(request, query);
    if (!principal) throw new HttpError(403, 'Forbidden');
    if (principal !== 'token' && !isSameOrigin(request, host)) throw new HttpError(403, 'Forbidden');
    return principal;
  }
}
