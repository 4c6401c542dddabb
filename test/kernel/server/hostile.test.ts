import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { cookiesOf, send, sendBytes } from './support/raw.js';
import { startServer, type TestServer } from './support/server.js';

/** Requests that somebody might send who should not; each is refused, and the server stays up. */
describe('hostile requests', () => {
  let server: TestServer;
  let host: string;
  let cookie: string;
  let xsrf: string;

  beforeAll(async () => {
    server = await startServer();
    host = new URL(server.origin).host;
    writeFileSync(join(server.folder, 'open.txt'), 'for everybody with the token');
    writeFileSync(join(server.folder, '.secret'), 'hidden');
    writeFileSync(join(server.folder, 'page.html'), '<script>fetch("/api/contents")</script>');
    mkdirSync(join(server.folder, '.git'));
    writeFileSync(join(server.folder, '.git', 'config'), 'hidden');
    writeFileSync(join(server.stateFolder, 'outside.txt'), 'outside of the root');
    symlinkSync(join(server.stateFolder, 'outside.txt'), join(server.folder, 'link.txt'));
    symlinkSync(server.stateFolder, join(server.folder, 'linked-folder'));
    symlinkSync('/nowhere/at/all', join(server.folder, 'dangling'));
    const login = await send(server.origin, `/lab?token=${server.token}`);
    cookie = cookiesOf(login);
    xsrf = /_xsrf=([^;]+)/.exec(cookie)![1]!;
  });

  afterAll(() => server.close());

  const withToken = (extra: Record<string, string> = {}) => ({
    Authorization: `token ${server.token}`,
    ...extra,
  });
  const withCookie = (extra: Record<string, string> = {}) => ({ Cookie: cookie, ...extra });

  describe('without a login', () => {
    it.each([
      '/api/contents',
      '/api/contents/open.txt',
      '/api/kernels',
      '/api/sessions',
      '/api/kernelspecs',
      '/api/status',
      '/api/me',
      '/files/open.txt',
      '/lab/api/settings',
      '/lab/api/workspaces',
      '/lab/extensions/@test/ext/static/remoteEntry.js',
      '/kernelspecs/fovea/logo-svg.svg',
    ])('%s is forbidden', async (path) => {
      const answer = await send(server.origin, path);
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.text)).toEqual({ message: 'Forbidden', reason: null });
    });

    it.each(['/', '/lab', '/lab/tree/open.txt', '/doc/tree/open.txt'])('%s shows the login', async (path) => {
      const answer = await send(server.origin, path);
      expect(answer.status).toBe(401);
      expect(answer.text).toContain('<form');
      expect(answer.text).not.toContain('jupyter-config-data');
      expect(answer.headers['set-cookie']).toBeUndefined();
    });

    it.each([
      ['a wrong token', 'token 0123456789abcdef'],
      ['an empty token', 'token '],
      ['a token that is a prefix', ''],
    ])('%s does not help', async (_, authorization) => {
      const header = authorization || `token ${server.token.slice(0, -1)}`;
      const answer = await send(server.origin, '/api/kernels', { headers: { Authorization: header } });
      expect(answer.status).toBe(403);
    });

    it('a guessed login cookie does not help', async () => {
      const guessed = cookie.replace(/=[0-9a-f]+/, `=${'0'.repeat(48)}`);
      const answer = await send(server.origin, '/api/kernels', { headers: { Cookie: guessed } });
      expect(answer.status).toBe(403);
    });

    it('the login form escapes the address that it returns to', async () => {
      const answer = await send(server.origin, '/lab/tree/%22%3E%3Cscript%3E?"><script>');
      expect(answer.text).not.toContain('<script>');
    });

    it('the login form leads nowhere but to this server', async () => {
      for (const next of ['//evil.example', '/\\evil.example', 'https://evil.example/']) {
        const answer = await send(server.origin, '/login', {
          method: 'POST',
          body: new URLSearchParams({ token: server.token, next }).toString(),
        });
        expect(answer.headers.location).toBe('/lab');
      }
    });
  });

  describe('with the name of another host (DNS rebinding)', () => {
    it.each([
      'evil.example',
      'evil.example:8888',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      'localhost:1:2',
      '@',
    ])('Host: %s is refused', async (name) => {
      const answer = await send(server.origin, '/lab', { headers: withToken({ Host: name }) });
      expect([400, 403]).toContain(answer.status);
      expect(answer.text).not.toContain('jupyter-config-data');
    });

    it('static assets are refused too', async () => {
      const answer = await send(server.origin, '/api', { headers: { Host: 'evil.example' } });
      expect(answer.status).toBe(403);
    });
  });

  describe("from another site's page, with the user's cookies", () => {
    it('a foreign Origin is refused', async () => {
      for (const origin of [
        'https://evil.example',
        'null',
        'http://localhost:1',
        `http://${host}.evil.example`,
      ]) {
        const answer = await send(server.origin, '/api/contents', {
          headers: withCookie({ Origin: origin }),
        });
        expect(answer.status).toBe(404);
      }
    });

    it.each(['cross-site', 'same-site'])('Sec-Fetch-Site: %s is refused for data', async (site) => {
      for (const path of ['/api/contents/open.txt', '/files/open.txt', '/lab/api/settings']) {
        const answer = await send(server.origin, path, { headers: withCookie({ 'Sec-Fetch-Site': site }) });
        expect(answer.status).toBe(403);
      }
    });

    it('a foreign Referer is refused where the browser says no more', async () => {
      const headers = withCookie({ Referer: 'https://evil.example/page' });
      expect((await send(server.origin, '/files/open.txt', { headers })).status).toBe(403);
    });

    it('no answer allows another site to read it', async () => {
      const answer = await send(server.origin, '/api/contents', { headers: withCookie() });
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    });

    it('writing without the XSRF header is refused, whatever the method', async () => {
      for (const [method, path] of [
        ['POST', '/api/kernels'],
        ['PUT', '/api/contents/x.txt'],
        ['PATCH', '/api/contents/open.txt'],
        ['DELETE', '/api/contents/open.txt'],
        ['POST', '/api/shutdown'],
        ['PUT', '/lab/api/settings/@test/plugin:main'],
      ] as const) {
        const answer = await send(server.origin, path, { method, headers: withCookie(), body: '{}' });
        expect(answer.status).toBe(403);
        expect(answer.text).toContain('_xsrf');
        const wrong = withCookie({ 'X-XSRFToken': '0'.repeat(48) });
        expect((await send(server.origin, path, { method, headers: wrong, body: '{}' })).status).toBe(403);
      }
    });

    it('writing with the XSRF header passes', async () => {
      const answer = await send(server.origin, '/api/contents/written.txt', {
        method: 'PUT',
        headers: withCookie({ 'X-XSRFToken': xsrf, Origin: server.origin }),
        body: JSON.stringify({ type: 'file', format: 'text', content: 'x' }),
      });
      expect(answer.status).toBe(201);
    });

    it('cookies are out of reach of scripts and of other sites', async () => {
      const { headers } = await send(server.origin, `/lab?token=${server.token}`);
      const [login, second] = headers['set-cookie']!;
      expect(login).toMatch(/^fovea-login-\d+=[0-9a-f]{48}; HttpOnly; SameSite=Strict; Path=\/$/);
      expect(second).toMatch(/^_xsrf=[0-9a-f]{48}; SameSite=Strict; Path=\/$/);
    });
  });

  describe('out of the root', () => {
    it.each([
      '/api/contents/../state/outside.txt',
      '/api/contents/%2e%2e/state/outside.txt',
      '/api/contents/..%2fstate%2foutside.txt',
      '/api/contents/%2e%2e%2fstate%2foutside.txt',
      '/api/contents/a/..%2f..%2fstate/outside.txt',
      '/api/contents/%252e%252e/state/outside.txt',
      '/api/contents//etc/passwd',
      '/api/contents/%2fetc%2fpasswd',
      '/api/contents/..%5cstate%5coutside.txt',
      '/api/contents/open.txt%00.png',
      '/api/contents/link.txt',
      '/api/contents/linked-folder',
      '/api/contents/linked-folder/outside.txt',
      '/api/contents/dangling',
      '/files/../state/outside.txt',
      '/files/..%2fstate%2foutside.txt',
      '/files/link.txt',
      '/static/lab/..%2f..%2f..%2fstate%2foutside.txt',
      '/static/lab/%2e%2e/%2e%2e/entry.json',
      '/static/favicons/..%2f..%2fpackage.json',
      '/lab/extensions/@test/ext/..%2f..%2f..%2f..%2fstate%2foutside.txt',
      '/lab/api/themes/..%2f..%2f..%2fstate%2foutside.txt',
      '/kernelspecs/echo/..%2f..%2f..%2fstate%2foutside.txt',
      '/lab/api/settings/..%2f..%2foutside',
      '/api/config/..%2foutside',
    ])('%s does not exist', async (path) => {
      const answer = await send(server.origin, path, { headers: withToken() });
      expect(answer.status).toBe(404);
      expect(answer.text).not.toContain('outside of the root');
      expect(answer.text).not.toContain(server.stateFolder);
    });

    it('writing through a link or a parent is refused', async () => {
      const body = JSON.stringify({ type: 'file', format: 'text', content: 'x' });
      for (const path of ['link.txt', 'linked-folder/new.txt', '..%2fnew.txt', 'dangling/x']) {
        const answer = await send(server.origin, `/api/contents/${path}`, {
          method: 'PUT',
          headers: withToken(),
          body,
        });
        expect(answer.status).toBe(404);
      }
      for (const target of ['../moved.txt', 'linked-folder/moved.txt']) {
        const answer = await send(server.origin, '/api/contents/open.txt', {
          method: 'PATCH',
          headers: withToken(),
          body: JSON.stringify({ path: target }),
        });
        expect(answer.status).toBe(404);
      }
      const copied = await send(server.origin, '/api/contents', {
        method: 'POST',
        headers: withToken(),
        body: JSON.stringify({ copy_from: 'link.txt' }),
      });
      expect(copied.status).toBe(404);
      const untitled = await send(server.origin, '/api/contents', {
        method: 'POST',
        headers: withToken(),
        body: JSON.stringify({ type: 'file', ext: '/../../x' }),
      });
      expect(untitled.status).toBe(400);
    });

    it('a listing shows neither hidden names nor links that lead out', async () => {
      const answer = await send(server.origin, '/api/contents', { headers: withToken() });
      const names = (JSON.parse(answer.text).content as { name: string }[]).map(({ name }) => name);
      expect(names.sort()).toEqual(['open.txt', 'page.html', 'written.txt']);
    });

    it('hidden files cannot be read, written, renamed to or deleted', async () => {
      for (const path of [
        '/api/contents/.secret',
        '/api/contents/.git/config',
        '/files/.secret',
        '/files/.git/config',
      ]) {
        expect((await send(server.origin, path, { headers: withToken() })).status).toBe(404);
      }
      const attempts = [
        ['PUT', '/api/contents/.new', { type: 'file', format: 'text', content: '' }],
        ['PUT', '/api/contents/.git/hooks', { type: 'file', format: 'text', content: '' }],
        ['PATCH', '/api/contents/open.txt', { path: '.bashrc' }],
        ['DELETE', '/api/contents/.secret', {}],
      ] as const;
      for (const [method, path, body] of attempts) {
        const answer = await send(server.origin, path, {
          method,
          headers: withToken(),
          body: JSON.stringify(body),
        });
        expect(answer.status).toBe(400);
      }
    });
  });

  describe('in a browser that shows an answer as a page', () => {
    it('a file of the user runs as a stranger', async () => {
      const answer = await send(server.origin, '/files/page.html', { headers: withCookie() });
      expect(answer.headers['content-security-policy']).toBe('sandbox allow-scripts');
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
    });

    it('an API answer can load nothing', async () => {
      const answer = await send(server.origin, '/api/contents', { headers: withCookie() });
      expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    });

    it('the page runs scripts of the build alone, and holds no token', async () => {
      const answer = await send(server.origin, '/lab', { headers: withCookie({ Host: host }) });
      const policy = answer.headers['content-security-policy'] as string;
      const scripts = policy.split('; ').find((line) => line.startsWith('script-src'));
      expect(scripts).toBe(`script-src http://${host}/static/ http://${host}/lab/extensions/ 'unsafe-eval'`);
      expect(policy).toContain("object-src 'none'");
      expect(answer.text).not.toContain(server.token);
    });

    it('a path cannot break out of the configuration in the page', async () => {
      const answer = await send(server.origin, '/lab/tree/%3C%2Fscript%3E%3Cscript%3Ealert(1)', {
        headers: withCookie(),
      });
      expect(answer.text).not.toContain('</script><script>alert');
    });
  });

  describe('that are malformed or too large', () => {
    it.each([
      ['no JSON', '{"name": '],
      ['a list', '[]'],
      ['a wrong type', '{"name": 7}'],
    ])('a body of %s is refused with 400', async (_, body) => {
      const answer = await send(server.origin, '/api/kernels', {
        method: 'POST',
        headers: withToken(),
        body,
      });
      expect(answer.status).toBe(400);
    });

    it('a body past the limit is refused with 413 before it is read', async () => {
      const answer = await send(server.origin, '/api/kernels', {
        method: 'POST',
        headers: withToken({ 'Content-Length': String(2 ** 40) }),
      }).catch(() => undefined);
      expect(answer?.status ?? 413).toBe(413);
    });

    it('a body that grows past the limit without announcing it is cut off', async () => {
      const { port } = new URL(server.origin);
      const status = await new Promise<number>((resolve) => {
        const outgoing = request(
          { host: '127.0.0.1', port, path: '/api/kernels', method: 'POST', headers: withToken() },
          (incoming) => {
            incoming.resume();
            resolve(incoming.statusCode ?? 0);
          },
        );
        outgoing.on('error', () => resolve(413));
        for (let count = 0; count < 12; count += 1) outgoing.write(' '.repeat(2 ** 20));
        outgoing.end();
      });
      expect(status).toBe(413);
    });

    it.each([
      '/api/contents/%',
      '/api/contents/%ff%fe',
      '/api/contents?type=socket',
      '/api/contents/open.txt?format=utf-16',
    ])('GET %s is a bad request', async (path) => {
      expect((await send(server.origin, path, { headers: withToken() })).status).toBe(400);
    });

    it('bytes that are no HTTP do not bring the server down', async () => {
      await sendBytes(server.origin, Buffer.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]));
      await sendBytes(server.origin, `GET ${'/'.repeat(70_000)} HTTP/1.1\r\n\r\n`);
      await sendBytes(server.origin, 'GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n');
      expect((await send(server.origin, '/api')).status).toBe(200);
    });

    it('methods that a route does not have are refused', async () => {
      expect(
        (await send(server.origin, '/api/status', { method: 'DELETE', headers: withToken() })).status,
      ).toBe(405);
      expect(
        (await send(server.origin, '/api/contents', { method: 'TRACE', headers: withToken() })).status,
      ).toBe(405);
      expect((await send(server.origin, '/api/nothing', { headers: withToken() })).status).toBe(404);
    });
  });

  describe('over WebSockets', () => {
    let kernelId: string;

    beforeAll(async () => {
      kernelId = (await server.lab.kernels.start('echo')).id;
      await server.lab.kernels.get(kernelId).whenReady();
    });

    const address = (query = '') => `ws://${host}/api/kernels/${kernelId}/channels${query}`;

    /** Resolves to the status of a refused upgrade, or to the open socket. */
    const open = (url: string, options: WebSocket.ClientOptions, protocols: string[] = []) =>
      new Promise<number | WebSocket>((resolve) => {
        const socket = new WebSocket(url, protocols, options);
        socket.on('open', () => resolve(socket));
        socket.on('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0));
        socket.on('error', () => resolve(0));
      });

    const openWithToken = async (protocols: string[] = []) => {
      const socket = await open(address(`?token=${server.token}&session_id=x`), {}, protocols);
      if (typeof socket === 'number') throw new Error(`refused with ${socket}`);
      return socket;
    };

    const closed = (socket: WebSocket) =>
      new Promise<number>((resolve) => {
        socket.on('close', (code) => resolve(code));
      });

    it('a socket without a login is refused', async () => {
      expect(await open(address(), {})).toBe(403);
      expect(await open(address('?token=wrong'), {})).toBe(403);
      expect(await open(`ws://${host}/api/events/subscribe`, {})).toBe(403);
    });

    it("another site's page is refused although the browser sends the cookie", async () => {
      for (const origin of ['https://evil.example', 'http://localhost:1', 'null']) {
        expect(await open(address(), { headers: { Cookie: cookie, Origin: origin } })).toBe(403);
      }
      const own = await open(address(), { headers: { Cookie: cookie, Origin: server.origin } });
      expect(own).toBeInstanceOf(WebSocket);
      (own as WebSocket).terminate();
    });

    it('a foreign Host is refused', async () => {
      const options = { headers: { Host: 'evil.example' } };
      expect(await open(address(`?token=${server.token}`), options)).toBe(403);
    });

    it('a kernel that does not exist is refused with 404', async () => {
      const query = `?token=${server.token}`;
      expect(await open(`ws://${host}/api/kernels/00000000-0000/channels${query}`, {})).toBe(404);
      expect(await open(`ws://${host}/api/nothing${query}`, {})).toBe(404);
    });

    const malformed: readonly [string, string | Buffer, string[]][] = [
      ['text that is no JSON', 'hello', []],
      ['a message without a header', '{"channel":"shell"}', []],
      [
        'a message for a channel that kernels send on',
        '{"channel":"iopub","header":{"msg_id":"a","msg_type":"b"}}',
        [],
      ],
      ['a header that is a list', '{"channel":"shell","header":[]}', []],
      ['null', 'null', []],
      ['a binary frame shorter than its table', Buffer.from([0, 0, 0, 9]), []],
      ['a binary frame with offsets out of order', Buffer.from([0, 0, 0, 2, 0, 0, 0, 200, 0, 0, 0, 1]), []],
      ['text on the binary protocol', '{}', ['v1.kernel.websocket.jupyter.org']],
      ['an empty v1 frame', Buffer.alloc(0), ['v1.kernel.websocket.jupyter.org']],
      ['a v1 frame that announces 2^63 parts', Buffer.alloc(16, 0xff), ['v1.kernel.websocket.jupyter.org']],
      [
        'a v1 frame with offsets past its end',
        v1Frame([6, 56, 1000, 1001, 1002, 1003, 1004]),
        ['v1.kernel.websocket.jupyter.org'],
      ],
      [
        'a v1 frame with offsets going back',
        v1Frame([6, 60, 58, 57, 56, 56, 56]),
        ['v1.kernel.websocket.jupyter.org'],
      ],
    ];

    it.each(malformed)('%s ends the connection, not the server', async (_, data, protocols) => {
      const socket = await openWithToken([...protocols]);
      const code = closed(socket);
      socket.send(data);
      expect(await code).toBe(1003);
      await expect.poll(() => server.lab.kernels.get(kernelId).state).toBe('idle');
    });

    it('an oversized frame ends the connection with 1009', async () => {
      const socket = await openWithToken();
      const code = closed(socket);
      socket.on('error', () => undefined);
      socket.send(Buffer.alloc(64 * 2 ** 20 + 1));
      expect(await code).toBe(1009);
    });

    it('frames that break the WebSocket protocol end the connection', async () => {
      const handshake = [
        `GET /api/kernels/${kernelId}/channels?token=${server.token} HTTP/1.1`,
        `Host: ${host}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
        '\r\n',
      ].join('\r\n');
      const unmasked = Buffer.concat([Buffer.from(handshake), Buffer.from([0x81, 0x02, 0x68, 0x69])]);
      expect(await sendBytes(server.origin, unmasked, 1000)).toContain('101 Switching Protocols');
      const reserved = Buffer.concat([Buffer.from(handshake), Buffer.from([0xff, 0xff, 0xff, 0xff])]);
      await sendBytes(server.origin, reserved, 1000);
      await sendBytes(server.origin, handshake.replace('13', '99'), 1000);
      expect((await send(server.origin, '/api')).status).toBe(200);
    });
  });

  it('none of this was an error that the server did not expect', () => {
    expect(server.log).toEqual([]);
  });
});

/** A v1 frame's table of 64-bit numbers, followed by nothing. */
function v1Frame(numbers: readonly number[]): Buffer {
  const table = Buffer.alloc(8 * numbers.length);
  for (const [index, number] of numbers.entries()) table.writeBigUInt64LE(BigInt(number), 8 * index);
  return table;
}
