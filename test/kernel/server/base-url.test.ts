import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { parseBaseUrl } from '../../../kernel/src/server/server.js';
import { serverWithApi } from './support/api.js';
import { cookiesOf, send } from './support/raw.js';

const lab = serverWithApi({ baseUrl: 'team/lab/' });
const base = '/team/lab';

describe('below a base URL', () => {
  it('everything is there, and nothing beside it', async () => {
    writeFileSync(join(lab.server.folder, 'a.txt'), 'x');
    for (const path of ['/api', '/api/contents', '/files/a.txt', '/static/lab/main.0123456789abcdef.js']) {
      expect((await lab.ask('GET', `${base}${path}`)).status).toBe(200);
      expect((await lab.ask('GET', path)).status).toBe(404);
      expect((await lab.ask('GET', `${base}x${path}`)).status).toBe(404);
    }
    const session = { path: 'a.ipynb', kernel: { name: 'echo' } };
    const opened = await lab.ask('POST', `${base}/api/sessions`, session);
    expect(opened.headers.get('location')).toBe(`${base}/api/sessions/${opened.body.id}`);
    expect((await lab.ask('GET', opened.headers.get('location')!)).status).toBe(200);
    const saved = await lab.ask('PUT', `${base}/api/contents/b.txt`, {
      type: 'file',
      format: 'text',
      content: '',
    });
    expect(saved.headers.get('location')).toBe(`${base}/api/contents/b.txt`);
  });

  it.each(['/', base, `${base}/`])('%s leads to the lab', async (path) => {
    const headers = { Authorization: `token ${lab.server.token}` };
    let next = path;
    for (let hops = 0; hops < 3 && next !== `${base}/lab`; hops += 1) {
      next = (await send(lab.server.origin, next, { headers })).headers.location!;
    }
    expect(next).toBe(`${base}/lab`);
  });

  it('the page, its scripts, its cookies and the login are below it', async () => {
    const url = lab.server.lab.urlOf('a.txt');
    expect(url).toBe(`${lab.server.origin}${base}/lab/tree/a.txt?token=${lab.server.token}`);
    const first = await send(lab.server.origin, url.slice(lab.server.origin.length));
    expect(first.headers.location).toBe(`${base}/lab/tree/a.txt`);
    for (const cookie of first.headers['set-cookie']!) expect(cookie).toContain(`Path=${base}`);
    const headers = { Cookie: cookiesOf(first) };
    const page = await send(lab.server.origin, first.headers.location!, { headers });
    const config = JSON.parse(/type="application\/json">(.*?)<\/script>/s.exec(page.text)![1]!);
    expect(config).toMatchObject({
      baseUrl: `${base}/`,
      fullStaticUrl: `${base}/static/lab`,
      fullLabextensionsUrl: `${base}/lab/extensions`,
      fullSettingsUrl: `${base}/lab/api/settings`,
      settingsUrl: '/lab/api/settings',
      treePath: 'a.txt',
    });
    expect(page.text).toContain(`src="${base}/static/lab/main.0123456789abcdef.js"`);
    expect(page.text).toContain(`href="${base}/static/favicons/favicon.svg"`);
    const host = new URL(lab.server.origin).host;
    expect(page.headers['content-security-policy']).toContain(`script-src ${host}${base}/static/ `);
    const login = await send(lab.server.origin, `${base}/lab/tree/a.txt`);
    expect(login.text).toContain(`action="${base}/login"`);
    const form = new URLSearchParams({ token: lab.server.token, next: '/lab/tree/a.txt' }).toString();
    const loggedIn = await send(lab.server.origin, `${base}/login`, { method: 'POST', body: form });
    expect(loggedIn.headers.location).toBe(`${base}/lab/tree/a.txt`);
  });

  it("kernels' logos and channels are below it", async () => {
    const { kernelspecs } = (await lab.ask('GET', `${base}/api/kernelspecs`)).body;
    const logo = kernelspecs.echo.resources['logo-svg'];
    expect(logo).toBe(`${base}/kernelspecs/echo/logo-svg.svg`);
    expect((await lab.ask('GET', logo)).status).toBe(200);
    const origin = lab.server.origin.replace('http', 'ws');
    const socket = new WebSocket(`${origin}${base}/api/events/subscribe?token=${lab.server.token}`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.terminate();
  });
});

describe('a base URL on the command line', () => {
  it.each([
    ['/', ''],
    ['', ''],
    ['/fovea', '/fovea'],
    ['fovea/', '/fovea'],
    ['//a//b-1.2_~/', '/a/b-1.2_~'],
  ])('%s', (text, expected) => {
    expect(parseBaseUrl(text)).toBe(expected);
  });

  it.each(['/../x', '/a b', '/a?b', '/a;b', "/'x'", 'http://host/x'])('%s is refused', (text) => {
    expect(() => parseBaseUrl(text)).toThrow(/a path of letters, digits/);
  });
});
