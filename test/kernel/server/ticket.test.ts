// @module-tag process
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cookiesOf, send } from './support/raw.js';
import { startServer, type TestServer } from './support/server.js';

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const pathOf = (url: string) => url.slice(server.origin.length);
const opened = () => new URL(server.lab.openingUrlOf('a.txt').replace('localhost', '127.0.0.1'));

describe('the browser that a lab opens', () => {
  it('is logged in without the token in its command line, and sheds what it has', async () => {
    const { pathname, search, href } = opened();
    expect(href).not.toContain(server.token);
    const answer = await send(server.origin, `${pathname}${search}`);
    expect(answer.status).toBe(302);
    expect(answer.headers.location).toBe('/lab/tree/a.txt');
    const inside = await send(server.origin, '/api/kernels', { headers: { Cookie: cookiesOf(answer) } });
    expect(inside.status).toBe(200);
    const again = await send(server.origin, `${pathname}${search}`, {
      headers: { Cookie: cookiesOf(answer) },
    });
    expect([again.status, again.headers.location]).toEqual([302, '/lab/tree/a.txt']);
  });

  it('is the only one that its address logs in', async () => {
    const { pathname, search } = opened();
    await send(server.origin, `${pathname}${search}`);
    const later = await send(server.origin, `${pathname}${search}`);
    expect(later.status).toBe(401);
    expect(later.headers['set-cookie']).toBeUndefined();
    expect(later.text).not.toContain('ticket');
  });

  it('does not use the API with what it has, nor with a part of it', async () => {
    const { search } = opened();
    expect((await send(server.origin, `/api/kernels${search}`)).status).toBe(403);
    expect((await send(server.origin, `/lab${search.slice(0, -1)}`)).status).toBe(401);
    expect((await send(server.origin, `/lab${search}`)).status).toBe(302);
  });

  it.skipIf(process.platform !== 'linux' || process.getuid?.() !== 0)(
    'is not another user’s, who has read its command line',
    async () => {
      const { href } = opened();
      const code = `fetch(${JSON.stringify(href)}, { redirect: 'manual' }).then(({ status }) => console.log(status))`;
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', code], { uid: 65534, cwd: '/' });
      expect(stdout.trim()).toBe('401');
      expect((await send(server.origin, pathOf(href))).status).toBe(302);
    },
  );
});
