import { describe, expect, it } from 'vitest';
import { TrustedProxies } from '../../../../kernel/src/server/security/addresses.js';
import { serverWithApi } from '../support/api.js';
import { send } from '../support/raw.js';

const forwarded = (more: Record<string, string> = {}) => ({
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'lab.example:8443',
  ...more,
});

describe('the X-Forwarded headers of a stranger', () => {
  const lab = serverWithApi({ allowHosts: ['lab.example'], trustProxies: ['10.0.0.0/8', '::2'] });

  it('are ignored', async () => {
    const path = `/lab?token=${lab.server.token}`;
    const entered = await send(lab.server.origin, path, { headers: forwarded() });
    expect(entered.headers['set-cookie']![0]).not.toContain('Secure');
    const cookie = entered.headers['set-cookie']!.map((text) => text.split(';')[0]).join('; ');
    const page = await send(lab.server.origin, '/lab', { headers: { Cookie: cookie, ...forwarded() } });
    expect(page.headers['content-security-policy']).not.toContain('lab.example');
    const foreign = { Cookie: cookie, Origin: 'https://lab.example:8443', ...forwarded() };
    expect((await send(lab.server.origin, '/api/contents', { headers: foreign })).status).toBe(404);
  });

  it('do not make a foreign host name an accepted one', async () => {
    const headers = { Host: 'evil.example', 'X-Forwarded-Host': 'localhost' };
    expect((await send(lab.server.origin, '/api', { headers })).status).toBe(403);
  });
});

describe('the X-Forwarded headers of a trusted proxy', () => {
  const lab = serverWithApi({ allowHosts: ['lab.example'], trustProxies: ['127.0.0.1'] });

  it('say how the browser addresses the lab', async () => {
    const path = `/lab?token=${lab.server.token}`;
    const entered = await send(lab.server.origin, path, { headers: forwarded() });
    for (const cookie of entered.headers['set-cookie']!) expect(cookie).toContain('; Secure');
    const cookie = entered.headers['set-cookie']!.map((text) => text.split(';')[0]).join('; ');
    const page = await send(lab.server.origin, '/lab', { headers: { Cookie: cookie, ...forwarded() } });
    expect(page.headers['content-security-policy']).toContain('script-src lab.example:8443/static/ ');
    const own = { Cookie: cookie, Origin: 'https://lab.example:8443', ...forwarded() };
    expect((await send(lab.server.origin, '/api/contents', { headers: own })).status).toBe(200);
    const other = { ...own, Origin: 'https://lab.example' };
    expect((await send(lab.server.origin, '/api/contents', { headers: other })).status).toBe(404);
  });

  it.each([
    ['with the port apart', { 'X-Forwarded-Host': 'lab.example', 'X-Forwarded-Port': '8443' }],
    ['after those that came with the request', { 'X-Forwarded-Host': 'evil.example, lab.example:8443' }],
  ])('%s', async (_, headers) => {
    const cookie = { Origin: 'https://lab.example:8443', Authorization: `token ${lab.server.token}` };
    const page = await send(lab.server.origin, '/lab', { headers: forwarded({ ...cookie, ...headers }) });
    expect(page.headers['content-security-policy']).toContain('script-src lab.example:8443/static/ ');
  });

  it('name a host that has to be accepted like any other', async () => {
    const headers = forwarded({ 'X-Forwarded-Host': 'evil.example' });
    expect((await send(lab.server.origin, '/api', { headers })).status).toBe(403);
  });
});

it.each(['localhost', '10.0.0.0/33', '10.0.0.1/', '10.0.0.0/8/8', '::1/129', ''])(
  'a proxy %s is refused',
  (proxy) => {
    expect(() => new TrustedProxies([proxy])).toThrow(/an IP address, or a network/);
  },
);
