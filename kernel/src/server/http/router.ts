import type { IncomingMessage } from 'node:http';
import type { Address } from '../security/addresses.js';
import { HttpError } from './errors.js';
import type { Reply } from './reply.js';

/** How a request proved who sent it; `open` where the server was started without a token. */
export type Principal = 'token' | 'cookie' | 'open';

/** One request on its way to a handler. */
export interface Call {
  readonly method: string;
  /** Decoded parts of the path, by the names in the route's pattern. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  /** Path and query as sent, the path below the server's base path. */
  readonly url: URL;
  /** How the browser addresses this server. */
  readonly address: Address;
  /** Undefined only in routes without authentication. */
  readonly principal: Principal | undefined;
}

export type Handler = (call: Call) => Reply | Promise<Reply>;

/**
 * Who may call: `everybody` (static assets); a person's browser that navigates here, which is led to the login
 * when it must (`page`); or only holders of the token or its cookie.
 */
export type Access = 'everybody' | 'page' | 'authenticated';

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly handler: Handler;
  readonly access: Access;
}

export interface Match {
  readonly params: Readonly<Record<string, string>>;
  readonly handler: Handler;
  readonly access: Access;
}

function decode(part: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    throw new HttpError(400, 'The path is not valid UTF-8');
  }
  if (decoded.includes('\0')) throw new HttpError(404, 'Not found');
  return decoded;
}

/**
 * Routes by method and path. In a pattern `:name` stands for one path segment and `*name` for any number of
 * them, none included; both arrive percent-decoded, once. The first route that matches is taken.
 */
export class Router {
  private readonly routes: Route[] = [];

  /** @param base path below which everything is served, without a trailing slash: empty, or as `/name` */
  constructor(readonly base: string = '') {}

  /** The path that a browser requests for a route's path. */
  link(path: string): string {
    return `${this.base}${path}`;
  }

  /** The route's path in a path that a browser requests; undefined outside the base path. */
  strip(pathname: string): string | undefined {
    if (pathname === this.base) return '/';
    return pathname.startsWith(`${this.base}/`) ? pathname.slice(this.base.length) : undefined;
  }

  /** Adds a route for authenticated callers. */
  on(method: string, path: string, handler: Handler, access: Access = 'authenticated'): this {
    const names: string[] = [];
    const source = path.replace(/\/\*(\w+)|:(\w+)|[.+?^${}()|[\]\\]/g, (found, rest, one) => {
      if (rest) {
        names.push(rest);
        return '(?:/(.*?))?';
      }
      if (one) {
        names.push(one);
        return '([^/]+)';
      }
      return `\\${found}`;
    });
    this.routes.push({ method, pattern: new RegExp(`^${source}/?$`, 's'), names, handler, access });
    return this;
  }

  /**
   * Finds the route for a request.
   * @throws HttpError 404 when no route has this path, 405 when one has but not for this method
   */
  match(method: string, pathname: string): Match {
    let pathKnown = false;
    for (const route of this.routes) {
      const found = route.pattern.exec(pathname);
      if (!found) continue;
      pathKnown = true;
      if (route.method !== method && !(method === 'HEAD' && route.method === 'GET')) continue;
      const params = Object.fromEntries(
        route.names.map((name, index) => [name, decode(found[index + 1] ?? '')]),
      );
      return { params, handler: route.handler, access: route.access };
    }
    if (pathKnown) throw new HttpError(405, `${method} is not allowed here`);
    throw new HttpError(404, 'Not found');
  }
}
