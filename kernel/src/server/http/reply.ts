import type { Readable } from 'node:stream';

/** An answer as plain data; the dispatcher writes it out. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer | Readable;
}

/** What API answers may do in a browser that is made to show them as a page: nothing. */
const API_POLICY = "default-src 'none'; frame-ancestors 'self'";

/** A JSON answer. */
export function json(value: unknown, status = 200, headers: Reply['headers'] = {}): Reply {
  return {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Content-Security-Policy': API_POLICY,
      'Cache-Control': 'no-store',
      ...headers,
    },
    body: JSON.stringify(value),
  };
}

/** An answer without a body, 204 by default. */
export function empty(status = 204, headers: Reply['headers'] = {}): Reply {
  return { status, headers: { 'Content-Security-Policy': API_POLICY, ...headers } };
}

/** Sends the browser elsewhere on this server. */
export function redirect(location: string, headers: Reply['headers'] = {}): Reply {
  return { status: 302, headers: { Location: location, 'Cache-Control': 'no-store', ...headers } };
}

/** An HTML page under the given content security policy; pages are never cached. */
export function html(text: string, policy: string, status = 200, headers: Reply['headers'] = {}): Reply {
  return {
    status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy,
      'Cache-Control': 'no-store',
      ...headers,
    },
    body: text,
  };
}
