// @module-tag process
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { freePort } from '../client.js';
import { sleep } from '../waiting.js';
import { serverWithApi } from './support/api.js';
import { send } from './support/raw.js';

const isInstalled = (command: string, argument: string) => spawnSync(command, [argument]).status === 0;
const missing = [
  ['nginx', '-v'],
  ['openssl', 'version'],
].filter(([command, argument]) => !isInstalled(command!, argument!));
const unless = missing.length === 0 ? '' : ` (skipped: no ${missing.map(([command]) => command).join(', ')})`;

/** The configuration that docs/lab.md gives, with what lets an nginx of one's own run beside the system's. */
const configuration = (folder: string, port: number, labPort: number) => `
daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  map $http_upgrade $connection_upgrade {
    default upgrade;
    '' '';
  }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/certificate.pem;
    ssl_certificate_key ${folder}/key.pem;
    client_max_body_size 0;
    location /fovea/ {
      proxy_pass http://127.0.0.1:${labPort};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 1h;
    }
  }
}
`;

/** As people put a lab on a host of theirs: TLS, a port that is not 443, a path among others. */
describe.skipIf(missing.length > 0)(`behind nginx, with TLS on another port and a prefix${unless}`, () => {
  const lab = serverWithApi({ baseUrl: '/fovea/', trustProxies: ['127.0.0.1'], allowHosts: ['lab.test'] });
  const folder = mkdtempSync(join(tmpdir(), 'fovea-nginx-'));
  let nginx: ChildProcess;
  let port: number;
  let cookie: string;

  const ask = (path: string, options: Parameters<typeof send>[2] = {}) =>
    send(`https://lab.test:${port}`, path, options);
  const browser = () => ({ Cookie: cookie, Origin: `https://lab.test:${port}` });

  beforeAll(async () => {
    port = await freePort();
    // The workers of an nginx that root starts are somebody else, who keeps bodies in here.
    chmodSync(folder, 0o755);
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=lab.test'],
      ...['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')],
    ]);
    expect(made.status, String(made.stderr)).toBe(0);
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, configuration(folder, port, Number(new URL(lab.server.origin).port)));
    nginx = spawn('nginx', ['-c', file], { stdio: 'ignore' });
    const isUp = () =>
      ask('/fovea/api').then(
        ({ status }) => status === 200,
        () => false,
      );
    for (let tries = 0; tries < 100 && !(await isUp()); tries += 1) await sleep(50);
    const entered = await ask(`/fovea/lab?token=${lab.server.token}`);
    expect([entered.status, entered.headers.location]).toEqual([302, '/fovea/lab']);
    for (const text of entered.headers['set-cookie']!) expect(text).toMatch(/Path=\/fovea; Secure$/);
    cookie = entered.headers['set-cookie']!.map((text) => text.split(';')[0]).join('; ');
  });

  afterAll(async () => {
    const ended = new Promise((resolve) => nginx.once('exit', resolve));
    nginx.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });

  it('the page may run its scripts: the policy names the host as the browser does', async () => {
    const page = await ask('/fovea/lab', { headers: browser() });
    const host = `lab.test:${port}`;
    expect(page.headers['content-security-policy']).toContain(
      `script-src ${host}/fovea/static/ ${host}/fovea/lab/extensions/ 'unsafe-eval'`,
    );
    const script = /src="([^"]+)"/.exec(page.text)![1]!;
    expect((await ask(script, { headers: browser() })).status).toBe(200);
  });

  it('saving works, 20 MB too', async () => {
    const content = 'x'.repeat(20 * 2 ** 20);
    const saved = await ask('/fovea/api/contents/big.txt', {
      method: 'PUT',
      headers: { ...browser(), 'X-XSRFToken': /_xsrf=(\w+)/.exec(cookie)![1]! },
      body: JSON.stringify({ type: 'file', format: 'text', content }),
    });
    expect(saved.status).toBe(201);
    const part = await ask('/fovea/files/big.txt', { headers: { ...browser(), Range: 'bytes=0-9' } });
    expect([part.status, part.text]).toEqual([206, 'xxxxxxxxxx']);
  });

  it('kernels answer through WebSockets, for the own page alone', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    const address = `wss://127.0.0.1:${port}/fovea/api/kernels/${kernel.id}/channels?session_id=s`;
    const open = (headers: Record<string, string>) =>
      new Promise<string>((resolve) => {
        const options = { rejectUnauthorized: false, headers: { Host: `lab.test:${port}`, ...headers } };
        const socket = new WebSocket(address, options);
        socket.on('message', (data) => {
          resolve(data.toString());
          socket.terminate();
        });
        socket.on('unexpected-response', (_, answer) => resolve(String(answer.statusCode)));
        socket.on('error', (error) => resolve(error.message));
      });
    expect(await open(browser())).toContain('execution_state');
    expect(await open({ ...browser(), Origin: 'https://lab.test' })).toBe('403');
    expect(await open({})).toBe('403');
  });

  it('other hosts and other paths are not there', async () => {
    expect((await ask('/fovea/api', { headers: { Host: 'evil.example' } })).status).toBe(403);
    expect((await ask('/api')).status).toBe(404);
  });
});
