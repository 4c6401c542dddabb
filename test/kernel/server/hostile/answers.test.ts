import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { hostileSite } from '../support/hostile.js';
import { send, sendBytes } from '../support/raw.js';

const site = hostileSite();

describe('in a browser that shows an answer as a page', () => {
  it('a file of the user runs as a stranger', async () => {
    const answer = await send(site.server.origin, '/files/page.html', { headers: site.withCookie() });
    expect(answer.headers['content-security-policy']).toBe('sandbox allow-scripts');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  it('an API answer can load nothing', async () => {
    const answer = await send(site.server.origin, '/api/contents', { headers: site.withCookie() });
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
  });

  it('the page runs scripts and workers of the build alone, and holds no token', async () => {
    const answer = await send(site.server.origin, '/lab', { headers: site.withCookie({ Host: site.host }) });
    const policy = answer.headers['content-security-policy'] as string;
    const scripts = policy.split('; ').find((line) => line.startsWith('script-src'));
    expect(scripts).toBe(`script-src ${site.host}/static/ ${site.host}/lab/extensions/ 'unsafe-eval'`);
    expect(policy).toContain(`; worker-src ${site.host}/static/ ${site.host}/lab/extensions/ blob:;`);
    expect(policy).toContain("object-src 'none'");
    expect(answer.text).not.toContain(site.server.token);
  });

  it('an address in IPv6, which no policy can name, leads to the name, and takes the token along', async () => {
    const headers = { Host: `[::1]:${new URL(site.server.origin).port}` };
    const page = await send(site.server.origin, '/lab/tree/open.txt?token=x', { headers });
    expect([page.status, page.headers.location]).toEqual([
      302,
      `${site.server.origin}/lab/tree/open.txt?token=x`,
    ]);
  });

  it('a path cannot break out of the configuration in the page', async () => {
    const answer = await send(site.server.origin, '/lab/tree/%3C%2Fscript%3E%3Cscript%3Ealert(1)', {
      headers: site.withCookie(),
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
    const answer = await send(site.server.origin, '/api/kernels', {
      method: 'POST',
      headers: site.withToken(),
      body,
    });
    expect(answer.status).toBe(400);
  });

  it('a body past the limit is refused with 413 before it is read', async () => {
    const answer = await send(site.server.origin, '/api/kernels', {
      method: 'POST',
      headers: site.withToken({ 'Content-Length': String(2 ** 40) }),
    }).catch(() => undefined);
    expect(answer?.status ?? 413).toBe(413);
  });

  it('a body that grows past the limit without announcing it is cut off', async () => {
    const { port } = new URL(site.server.origin);
    const status = await new Promise<number>((resolve) => {
      const outgoing = request(
        { host: '127.0.0.1', port, path: '/api/kernels', method: 'POST', headers: site.withToken() },
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
    expect((await send(site.server.origin, path, { headers: site.withToken() })).status).toBe(400);
  });

  it('bytes that are no HTTP do not bring the server down', async () => {
    await sendBytes(site.server.origin, Buffer.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]));
    await sendBytes(site.server.origin, `GET ${'/'.repeat(70_000)} HTTP/1.1\r\n\r\n`);
    await sendBytes(site.server.origin, 'GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await send(site.server.origin, '/api')).status).toBe(200);
  });

  it('methods that a route does not have are refused', async () => {
    expect(
      (await send(site.server.origin, '/api/status', { method: 'DELETE', headers: site.withToken() })).status,
    ).toBe(405);
    expect(
      (await send(site.server.origin, '/api/contents', { method: 'TRACE', headers: site.withToken() }))
        .status,
    ).toBe(405);
    expect((await send(site.server.origin, '/api/nothing', { headers: site.withToken() })).status).toBe(404);
  });
});
