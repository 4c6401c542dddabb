// @module-tag process
import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { isRunning } from '../waiting.js';
import { serverWithApi } from './support/api.js';
import { startServer } from './support/server.js';

/** A page that shows a terminal: what it heard, and ways to type. */
async function show(origin: string, token: string, name: string) {
  const address = `${origin.replace('http', 'ws')}/terminals/websocket/${name}?token=${token}`;
  const socket = new WebSocket(address);
  const heard: [type: string, ...values: unknown[]][] = [];
  socket.on('message', (data) => heard.push(JSON.parse(String(data))));
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return {
    socket,
    heard,
    closed,
    text: () => heard.map(([type, value]) => (type === 'stdout' ? value : '')).join(''),
    send: (...message: unknown[]) => socket.send(JSON.stringify(message)),
  };
}

/** The protocol is that of terminado, which JupyterLab speaks. */
describe.skipIf(process.platform === 'win32')('a terminal', () => {
  const lab = serverWithApi();
  const create = async (body: object = {}) => (await lab.ask('POST', '/api/terminals', body)).body.name;
  const open = (name: string) => show(lab.server.origin, lab.server.token, name);

  it('is offered where nobody but this machine reaches the lab', async () => {
    const offered = async (options: object) => {
      const server = await startServer(options);
      const page = await (await server.fetch('/lab')).text();
      const made = await server.fetch('/api/terminals', { method: 'POST' });
      const { message } = await made.json();
      await server.close();
      return [/"terminalsAvailable":"(\w+)"/.exec(page)![1], made.status, message];
    };
    expect(await offered({})).toEqual(['true', 200, undefined]);
    const off = ['false', 404, expect.stringContaining('fovea lab --terminals switches them on')];
    expect(await offered({ ip: '0.0.0.0' })).toEqual(off);
    expect(await offered({ trustProxies: ['127.0.0.1'] })).toEqual(off);
    expect(await offered({ allowHosts: ['lab.example'] })).toEqual(off);
    expect(await offered({ terminals: false })).toEqual(off);
    expect((await offered({ ip: '0.0.0.0', terminals: true }))[0]).toBe('true');
  });

  it('runs a shell in its folder, of the size of the page', async () => {
    mkdirSync(join(lab.server.folder, 'sub'), { recursive: true });
    const page = await open(await create({ cwd: 'sub' }));
    expect(page.heard[0]).toEqual(['setup', {}]);
    page.send('set_size', 33, 111, 500, 900);
    page.send('stdin', 'pwd; stty size; echo "$TERM $((40 + 2))"\r');
    await expect.poll(page.text, { timeout: 20_000 }).toContain(realpathSync(join(lab.server.folder, 'sub')));
    await expect.poll(page.text, { timeout: 20_000 }).toContain('33 111');
    await expect.poll(page.text, { timeout: 20_000 }).toContain('xterm-256color 42');
    page.socket.terminate();
  });

  it('goes on without its page, and shows what was before when that comes back', async () => {
    const name = await create({ name: 'long' });
    expect(name).toBe('long');
    const first = await open(name);
    first.send('stdin', 'sleep 0.4; echo "late$((1 + 1))"\r');
    await expect.poll(first.text, { timeout: 20_000 }).toContain('sleep');
    first.socket.terminate();
    await new Promise((resolve) => setTimeout(resolve, 700));
    const second = await open(name);
    await expect.poll(second.text, { timeout: 20_000 }).toContain('late2');
    second.socket.terminate();
    expect((await lab.ask('POST', '/api/terminals', { name })).status).toBe(409);
  });

  it('ends with its shell, or when it is shut down, with what runs in it', async () => {
    const name = await create();
    const page = await open(name);
    page.send('stdin', 'exit\r');
    expect(await page.closed).toBe(1001);
    expect(page.heard.at(-1)).toEqual(['disconnect', 1]);
    expect((await lab.ask('GET', `/api/terminals/${name}`)).status).toBe(404);
    const other = await create();
    const second = await open(other);
    second.send('stdin', 'trap "" HUP; echo "pid=$$"\r');
    await expect.poll(second.text, { timeout: 20_000 }).toMatch(/pid=\d+/);
    const pid = Number(/pid=(\d+)/.exec(second.text())![1]);
    expect(isRunning(pid)).toBe(true);
    expect((await lab.ask('DELETE', `/api/terminals/${other}`)).status).toBe(204);
    await expect.poll(() => isRunning(pid)).toBe(false);
  });

  it('makes a program wait that prints faster than the page reads', async () => {
    const page = await open(await create());
    const { socket } = page as unknown as { socket: { _socket: { pause(): void; resume(): void } } };
    socket._socket.pause();
    page.send('stdin', 'yes 0123456789012345678901234567890123456789\r');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const before = process.memoryUsage().rss;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
    socket._socket.resume();
    page.send('stdin', '\x03');
    page.send('stdin', 'echo "done$((1 + 1))"\r');
    await expect.poll(() => page.text().slice(-2000), { timeout: 20_000 }).toContain('done2');
    page.socket.terminate();
  });

  it('refuses what is no message, a bad name, and strangers', async () => {
    const page = await open(await create());
    page.send('set_size', -1, 'x');
    page.socket.send('hello');
    expect(await page.closed).toBe(1003);
    expect((await lab.ask('POST', '/api/terminals', { name: '../x' })).status).toBe(400);
    await expect(show(lab.server.origin, 'wrong', '1')).rejects.toThrow('403');
    await expect(show(lab.server.origin, lab.server.token, 'none')).rejects.toThrow('404');
  });

  it('ends with the lab', async () => {
    const server = await startServer();
    await server.fetch('/api/terminals', { method: 'POST' });
    const page = await show(server.origin, server.token, '1');
    page.send('stdin', 'echo "pid=$$"\r');
    await expect.poll(page.text, { timeout: 20_000 }).toMatch(/pid=\d+/);
    const pid = Number(/pid=(\d+)/.exec(page.text())![1]);
    await server.close();
    expect(isRunning(pid)).toBe(false);
  });
});
