import { createHmac } from 'node:crypto';
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
 * XSRF value, which the page's own scripts must read and send back in a header. The login follows from the token, so
 * that a page which is open while the server is started again with the same token can still save its documents.
 */
export class LoginCookies {
  private readonly login: string;
  private readonly xsrf = randomSecret();
  /** Browsers share cookies among the ports of a host: the port in the name keeps two servers apart. */
  private readonly name: string;

  /**
   * @param port on which this server listens
   * @param secrets the token of this start, and a secret of this machine that outlives it
   * @param base path below which it is served, empty for all of the host
   */
  constructor(
    port: number,
    { token, secret }: { readonly token: string; readonly secret: Buffer },
    private readonly base: string = '',
  ) {
    this.name = `fovea-login-${port}`;
    this.login = createHmac('sha256', secret).update(`${this.name} ${token}`).digest('hex');
  }

  /**
   * `Set-Cookie` values that log a browser in.
   * @param secure whether the browser speaks TLS, and may send them over nothing else
   */
  issue(secure: boolean): readonly string[] {
    const where = `SameSite=Strict; Path=${this.base || '/'}${secure ? '; Secure' : ''}`;
    return [`${this.name}=${this.login}; HttpOnly; ${where}`, `_xsrf=${this.xsrf}; ${where}`];
  }

  /** `Set-Cookie` values that make a browser forget its login. */
  expire(): readonly string[] {
    return [this.name, '_xsrf'].map((name) => `${name}=; Max-Age=0; Path=${this.base || '/'}`);
  }

  /** Whether a request comes from a browser that was logged in. */
  isLoggedIn(request: IncomingMessage): boolean {
    const value = parseCookies(request).get(this.name);
    return value !== undefined && sameSecret(value, this.login);
  }

  /**
   * Whether a request repeats its XSRF cookie in a header, which another site's page cannot. The cookie's name is
   * JupyterLab's, and one for all ports of a host: a second server on this machine replaces its value, so that
   * the two are compared with one another and not with the value of this start.
   */
  hasXsrfHeader(request: IncomingMessage): boolean {
    const sent = request.headers['x-xsrftoken'];
    const cookie = parseCookies(request).get('_xsrf');
    return typeof sent === 'string' && cookie !== undefined && cookie !== '' && sameSecret(sent, cookie);
  }
}
