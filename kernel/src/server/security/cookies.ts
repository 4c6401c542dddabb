import type { IncomingMessage } from 'node:http';
import { randomSecret, sameSecret } from './token.js';

/** The cookies of a request; of two with one name the first counts, as RFC 6265 orders the closer path first. */
export function parseCookies(request: IncomingMessage): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at < 0) continue;
    const name = part.slice(0, at).trim();
    if (!cookies.has(name)) cookies.set(name, part.slice(at + 1).trim());
  }
  return cookies;
}

/**
 * The two cookies of a logged-in browser: one that proves the login and is out of reach of scripts, and the
 * XSRF value, which the page's own scripts must read and send back in a header. Both are new at each start.
 */
export class LoginCookies {
  private readonly login = randomSecret();
  private readonly xsrf = randomSecret();
  /** Browsers share cookies among the ports of a host: the port in the name keeps two servers apart. */
  private readonly name: string;

  constructor(port: number) {
    this.name = `fovea-login-${port}`;
  }

  /** `Set-Cookie` values that log a browser in. */
  issue(): readonly string[] {
    return [
      `${this.name}=${this.login}; HttpOnly; SameSite=Strict; Path=/`,
      `_xsrf=${this.xsrf}; SameSite=Strict; Path=/`,
    ];
  }

  /** `Set-Cookie` values that make a browser forget its login. */
  expire(): readonly string[] {
    return [
      `${this.name}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0`,
      '_xsrf=; SameSite=Strict; Path=/; Max-Age=0',
    ];
  }

  /** Whether a request comes from a browser that was logged in. */
  isLoggedIn(request: IncomingMessage): boolean {
    const value = parseCookies(request).get(this.name);
    return value !== undefined && sameSecret(value, this.login);
  }

  /** Whether a request repeats the XSRF value in its header, which another site's page cannot. */
  hasXsrfHeader(request: IncomingMessage): boolean {
    const value = request.headers['x-xsrftoken'];
    return typeof value === 'string' && sameSecret(value, this.xsrf);
  }
}
