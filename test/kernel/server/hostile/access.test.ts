import { describe, expect, it } from 'vitest';
import { hostileSite } from '../support/hostile.js';
import { cookiesOf, send, sendBytes } from '../support/raw.js';

const site = hostileSite();

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
    const answer = await send(site.server.origin, path);
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.text)).toEqual({
      message: expect.stringMatching(/^Not logged in\. Open the address that the lab printed/),
      reason: null,
    });
  });

  it.each(['/', '/lab', '/lab/tree/open.txt', '/doc/tree/open.txt'])('%s shows the login', async (path) => {
    const answer = await send(site.server.origin, path);
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
    const header = authorization || `token ${site.server.token.slice(0, -1)}`;
    const answer = await send(site.server.origin, '/api/kernels', { headers: { Authorization: header } });
    expect(answer.status).toBe(403);
  });

  it('a guessed login cookie does not help', async () => {
    const guessed = site.cookie.replace(/=[0-9a-f]+/, `=${'0'.repeat(64)}`);
    const answer = await send(site.server.origin, '/api/kernels', { headers: { Cookie: guessed } });
    expect(answer.status).toBe(403);
  });

  it('the login form escapes the address that it returns to', async () => {
    const answer = await send(site.server.origin, '/lab/tree/%22%3E%3Cscript%3E?"><script>');
    expect(answer.text).not.toContain('<script>');
  });

  it('a browser that logged out has to log in again', async () => {
    const left = await send(site.server.origin, '/logout', { headers: site.withCookie() });
    expect([left.status, left.text.includes('logged out')]).toEqual([200, true]);
    for (const text of left.headers['set-cookie']!) expect(text).toMatch(/^[\w-]+=; Max-Age=0; Path=\/$/);
    const after = await send(site.server.origin, '/lab', { headers: { Cookie: cookiesOf(left) } });
    expect(after.status).toBe(401);
    const form = await send(site.server.origin, '/login');
    expect([form.status, form.text.includes('<form')]).toEqual([401, true]);
    const again = await send(site.server.origin, '/login', { headers: site.withCookie() });
    expect([again.status, again.headers.location]).toEqual([302, '/lab']);
  });

  it('the login form leads nowhere but to this server', async () => {
    for (const next of [
      '//evil.example',
      '/\\evil.example',
      'https://evil.example/',
      '/\t/evil.example',
      '/\n/evil.example',
    ]) {
      const answer = await send(site.server.origin, '/login', {
        method: 'POST',
        body: new URLSearchParams({ token: site.server.token, next }).toString(),
      });
      expect(answer.headers.location).toBe('/lab');
    }
  });
});

describe('with the name of another site.host (DNS rebinding)', () => {
  it.each([
    'evil.example',
    'evil.example:8888',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'localhost:1:2',
    '@',
  ])('Host: %s is refused', async (name) => {
    const answer = await send(site.server.origin, '/lab', { headers: site.withToken({ Host: name }) });
    expect([400, 403]).toContain(answer.status);
    expect(answer.text).not.toContain('jupyter-config-data');
  });

  it.each(['localhost', 'evil.example'])('a second Host, %s, is refused', async (second) => {
    const start = `GET /api/contents HTTP/1.1\r\nAuthorization: token ${site.server.token}\r\n`;
    const bytes = `${start}Host: ${site.host}\r\nhost: ${second}\r\nConnection: close\r\n\r\n`;
    const answer = await sendBytes(site.server.origin, bytes);
    expect(answer).toContain('HTTP/1.1 400');
    expect(answer).not.toContain('open.txt');
  });

  it('static assets are refused too', async () => {
    const answer = await send(site.server.origin, '/api', { headers: { Host: 'evil.example' } });
    expect(answer.status).toBe(403);
  });
});

describe("from another site's page, with the user's cookies", () => {
  it('a foreign Origin is refused', async () => {
    for (const origin of [
      'https://evil.example',
      'null',
      'http://localhost:1',
      `http://${site.host}.evil.example`,
    ]) {
      const answer = await send(site.server.origin, '/api/contents', {
        headers: site.withCookie({ Origin: origin }),
      });
      expect(answer.status).toBe(404);
    }
  });

  it.each(['cross-site', 'same-site'])('Sec-Fetch-Site: %s is refused for data', async (relation) => {
    for (const path of ['/api/contents/open.txt', '/files/open.txt', '/lab/api/settings']) {
      const answer = await send(site.server.origin, path, {
        headers: site.withCookie({ 'Sec-Fetch-Site': relation }),
      });
      expect(answer.status).toBe(403);
    }
  });

  it('a foreign Referer is refused where the browser says no more', async () => {
    const headers = site.withCookie({ Referer: 'https://evil.example/page' });
    expect((await send(site.server.origin, '/files/open.txt', { headers })).status).toBe(403);
  });

  it('no answer allows another site to read it', async () => {
    const answer = await send(site.server.origin, '/api/contents', { headers: site.withCookie() });
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
      const answer = await send(site.server.origin, path, { method, headers: site.withCookie(), body: '{}' });
      expect(answer.status).toBe(403);
      expect(answer.text).toContain('_xsrf');
      const wrong = site.withCookie({ 'X-XSRFToken': '0'.repeat(48) });
      expect((await send(site.server.origin, path, { method, headers: wrong, body: '{}' })).status).toBe(403);
    }
  });

  it('writing passes although another lab on this machine has replaced the XSRF cookie', async () => {
    const login = site.cookie.split('; ')[0];
    const answer = await send(site.server.origin, '/api/contents/other.txt', {
      method: 'PUT',
      headers: { Cookie: `${login}; _xsrf=of-the-other`, 'X-XSRFToken': 'of-the-other' },
      body: JSON.stringify({ type: 'file', format: 'text', content: 'x' }),
    });
    expect(answer.status).toBe(201);
  });

  it('writing with the XSRF header passes', async () => {
    const answer = await send(site.server.origin, '/api/contents/written.txt', {
      method: 'PUT',
      headers: site.withCookie({ 'X-XSRFToken': site.xsrf, Origin: site.server.origin }),
      body: JSON.stringify({ type: 'file', format: 'text', content: 'x' }),
    });
    expect(answer.status).toBe(201);
  });

  it('cookies are out of reach of scripts and of other sites', async () => {
    const { headers } = await send(site.server.origin, `/lab?token=${site.server.token}`);
    const [login, second] = headers['set-cookie']!;
    expect(login).toMatch(/^fovea-login-\d+=[0-9a-f]{64}; HttpOnly; SameSite=Strict; Path=\/$/);
    expect(second).toMatch(/^_xsrf=[0-9a-f]{48}; SameSite=Strict; Path=\/$/);
  });
});
