import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Connections } from './connections.js';
import { describeFailure, HttpError, toHttpError } from './http/errors.js';
import { json, type Reply, redirect } from './http/reply.js';
import type { Router } from './http/router.js';
import type { Address } from './security/addresses.js';
import type { Guard } from './security/guard.js';
import { originByName } from './security/hosts.js';
import { loginPage } from './security/login.js';

/** On every answer: no guessing of types, and no address of this server in requests to elsewhere. */
const ALWAYS = { 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'same-origin' };

async function write(reply: Reply, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, headers, body } = reply;
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.byteLength(body) : undefined;
  const announcesBody = 'content-length' in request.headers || 'transfer-encoding' in request.headers;
  response.writeHead(status, {
    ...ALWAYS,
    // Otherwise the unread rest of the request's body would be awaited for as long as the client likes.
    ...(announcesBody && !request.complete ? { Connection: 'close' } : {}),
    ...(bytes === undefined ? {} : { 'Content-Length': String(bytes) }),
    ...(headers as Record<string, string | string[]>),
  });
  if (body === undefined || request.method === 'HEAD') {
    if (body !== undefined && bytes === undefined) (body as { destroy(): void }).destroy();
    response.end();
  } else if (typeof body === 'string' || Buffer.isBuffer(body)) {
    response.end(body);
  } else {
    await writeStream(body, response, headers['Content-Length']);
  }
}

/** Of a file that has become shorter meanwhile the rest would be awaited for ever: the connection ends with it. */
async function writeStream(
  body: Readable,
  response: ServerResponse,
  announced: string | readonly string[] | undefined,
): Promise<void> {
  let sent = 0;
  body.on('data', (chunk: Buffer) => {
    sent += chunk.length;
  });
  await pipeline(body, response, { end: false });
  if (announced === undefined || Number(announced) === sent) response.end();
  else response.destroy();
}

/** A page that is open while the lab is started again with another token shows this when it saves. */
const NOT_LOGGED_IN =
  'Not logged in. Open the address that the lab printed at its last start in another tab of this browser; this page then works again, with what is in it.';

/** Answers requests: checks the sender, finds the route, runs it, and turns errors into responses. */
export class Dispatcher {
  constructor(
    private readonly router: Router,
    private readonly guard: Guard,
    private readonly connections: Connections,
    /** Called with unexpected errors. */
    private readonly log: (line: string) => void,
  ) {}

  /** Answers one request; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let reply: Reply;
    try {
      reply = await this.answer(request);
    } catch (thrown) {
      const error = toHttpError(thrown);
      if (error.status === 500) this.log(describeFailure(request, error));
      reply = json({ message: error.message, reason: error.reason }, error.status, { Connection: 'close' });
    }
    // A client that disconnects in the middle of an answer is not an error of this server.
    await write(reply, request, response).catch(() => response.destroy());
  }

  private async answer(request: IncomingMessage): Promise<Reply> {
    const address = this.guard.addressOf(request);
    const method = request.method ?? 'GET';
    if (!request.url?.startsWith('/')) throw new HttpError(400, 'The request names no path');
    const url = new URL(`http://localhost${request.url}`);
    const path = this.router.strip(url.pathname);
    if (path === undefined) {
      if (url.pathname === '/') return redirect(this.router.link('/'));
      throw new HttpError(404, `Not found: this lab is below ${this.router.base}/`);
    }
    url.pathname = path;
    const query = url.searchParams;
    const { handler, access, params } = this.router.match(method, url.pathname);
    const principal = this.guard.principal(request, query);
    if (principal) this.connections.admit(request.socket);
    if (access === 'page') {
      const byName = originByName(address);
      if (byName) return redirect(`${byName}${this.router.link(`${url.pathname}${url.search}`)}`);
      const isTicket = !principal && this.guard.takesTicket(request, query);
      if (principal ? query.has('token') || query.has('ticket') : isTicket)
        return this.withoutSecret(url, address, principal === 'token' || isTicket);
      url.searchParams.delete('ticket');
      if (!principal) return loginPage(this.router, `${url.pathname}${url.search}`);
    } else if (access === 'authenticated') {
      if (!principal) throw new HttpError(403, NOT_LOGGED_IN);
      this.guard.checkForgery(request, principal, address);
    }
    return handler({ method, params, query, request, url, address, principal });
  }

  /** The token, or the ticket, goes from the address into a cookie: addresses end up in histories, logs and screenshots. */
  private withoutSecret(url: URL, address: Address, valid: boolean): Reply {
    url.searchParams.delete('token');
    url.searchParams.delete('ticket');
    const cookies: Reply['headers'] = valid ? { 'Set-Cookie': this.guard.issueCookies(address) } : {};
    return redirect(this.router.link(`${url.pathname}${url.search}`), cookies);
  }
}
