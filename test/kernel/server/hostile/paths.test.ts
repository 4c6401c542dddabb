import { describe, expect, it } from 'vitest';
import { hostileSite } from '../support/hostile.js';
import { send } from '../support/raw.js';

const site = hostileSite();

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
    const answer = await send(site.server.origin, path, { headers: site.withToken() });
    expect(answer.status).toBe(404);
    expect(answer.text).not.toContain('outside of the root');
    expect(answer.text).not.toContain(site.server.stateFolder);
  });

  it('writing through a link or a parent is refused', async () => {
    const body = JSON.stringify({ type: 'file', format: 'text', content: 'x' });
    for (const path of ['link.txt', 'linked-folder/new.txt', '..%2fnew.txt', 'dangling/x']) {
      const answer = await send(site.server.origin, `/api/contents/${path}`, {
        method: 'PUT',
        headers: site.withToken(),
        body,
      });
      expect(answer.status).toBe(404);
    }
    for (const target of ['../moved.txt', 'linked-folder/moved.txt']) {
      const answer = await send(site.server.origin, '/api/contents/open.txt', {
        method: 'PATCH',
        headers: site.withToken(),
        body: JSON.stringify({ path: target }),
      });
      expect(answer.status).toBe(404);
    }
    const copied = await send(site.server.origin, '/api/contents', {
      method: 'POST',
      headers: site.withToken(),
      body: JSON.stringify({ copy_from: 'link.txt' }),
    });
    expect(copied.status).toBe(404);
    const untitled = await send(site.server.origin, '/api/contents', {
      method: 'POST',
      headers: site.withToken(),
      body: JSON.stringify({ type: 'file', ext: '/../../x' }),
    });
    expect(untitled.status).toBe(400);
  });

  it('a listing shows neither hidden names nor links that lead out', async () => {
    const answer = await send(site.server.origin, '/api/contents', { headers: site.withToken() });
    const names = (JSON.parse(answer.text).content as { name: string }[]).map(({ name }) => name);
    expect(names.sort()).toEqual(['open.txt', 'page.html']);
  });

  it('hidden files cannot be read, written, renamed to or deleted', async () => {
    for (const path of [
      '/api/contents/.secret',
      '/api/contents/.git/config',
      '/files/.secret',
      '/files/.git/config',
    ]) {
      expect((await send(site.server.origin, path, { headers: site.withToken() })).status).toBe(404);
    }
    const attempts = [
      ['PUT', '/api/contents/.new', { type: 'file', format: 'text', content: '' }],
      ['PUT', '/api/contents/.git/hooks', { type: 'file', format: 'text', content: '' }],
      ['PATCH', '/api/contents/open.txt', { path: '.bashrc' }],
      ['DELETE', '/api/contents/.secret', {}],
    ] as const;
    for (const [method, path, body] of attempts) {
      const answer = await send(site.server.origin, path, {
        method,
        headers: site.withToken(),
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(400);
    }
  });
});
