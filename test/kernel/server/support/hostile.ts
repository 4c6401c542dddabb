import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { cookiesOf, send } from './raw.js';
import { startServer, type TestServer } from './server.js';

/**
 * A server with things to protect, for all tests of a file that send it what they should not: files, hidden
 * ones, and links that lead out of the root. In the end it has met no error that it did not expect.
 */
export function hostileSite() {
  let server: TestServer;
  let cookie: string;
  beforeAll(async () => {
    server = await startServer();
    writeFileSync(join(server.folder, 'open.txt'), 'for everybody with the token');
    writeFileSync(join(server.folder, '.secret'), 'hidden');
    writeFileSync(join(server.folder, 'page.html'), '<script>fetch("/api/contents")</script>');
    mkdirSync(join(server.folder, '.git'));
    writeFileSync(join(server.folder, '.git', 'config'), 'hidden');
    writeFileSync(join(server.stateFolder, 'outside.txt'), 'outside of the root');
    symlinkSync(join(server.stateFolder, 'outside.txt'), join(server.folder, 'link.txt'));
    symlinkSync(server.stateFolder, join(server.folder, 'linked-folder'));
    symlinkSync('/nowhere/at/all', join(server.folder, 'dangling'));
    cookie = cookiesOf(await send(server.origin, `/lab?token=${server.token}`));
  });
  afterAll(async () => {
    await server.close();
    expect(server.log).toEqual([]);
  });
  return {
    get server() {
      return server;
    },
    get host() {
      return new URL(server.origin).host;
    },
    /** Of a browser that is logged in. */
    get cookie() {
      return cookie;
    },
    get xsrf() {
      return /_xsrf=([^;]+)/.exec(cookie)![1]!;
    },
    withToken: (extra: Record<string, string> = {}) => ({
      Authorization: `token ${server.token}`,
      ...extra,
    }),
    withCookie: (extra: Record<string, string> = {}) => ({ Cookie: cookie, ...extra }),
  };
}
