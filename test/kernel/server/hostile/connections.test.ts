import { readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { readBody } from '../../../../kernel/src/server/http/body.js';
import { sleep } from '../../waiting.js';
import { send } from '../support/raw.js';
import { startServer, type TestServer } from '../support/server.js';

/** Patience that is short, so that the tests need not be long. */
const LIMITS = { headersMs: 1000, idleMs: 1500, strangers: 20 };
/** Patience that no test waits for: what is closed before is closed for another reason. */
const PATIENT = { headersMs: 40_000, idleMs: 40_000, strangers: 20 };
/** How long a connection may be there at most that the short patience ends. */
const CLOSED_MS = 30_000;

describe('a connection that leads to nothing', () => {
  let server: TestServer;
  let patient: TestServer;
  const open: Socket[] = [];

  beforeAll(async () => {
    server = await startServer({ connectionLimits: LIMITS });
    patient = await startServer({ connectionLimits: PATIENT });
  });
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy();
  });
  afterAll(() => Promise.all([server.close(), patient.close()]));

  /** Sends bytes and keeps the connection open; resolves to how long the server let it be, and what it said. */
  const hold = (bytes: string, { origin } = server) => {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    open.push(socket);
    let text = '';
    const started = performance.now();
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.write(bytes);
    return new Promise<{ ms: number; text: string }>((resolve) => {
      socket.on('close', () => resolve({ ms: performance.now() - started, text }));
    });
  };
  const host = ({ origin } = server) => `Host: ${new URL(origin).host}\r\n`;

  it.each([
    ['says nothing', () => ''],
    ['sends half of its headers', () => `GET /lab HTTP/1.1\r\n${host()}X-Half: `],
    ['asks once and then no more', () => `GET /api HTTP/1.1\r\n${host()}\r\n`],
  ])('and that %s is closed', async (_, bytes) => {
    expect((await hold(bytes())).ms).toBeLessThan(CLOSED_MS);
  });

  it('and that sends half of a body which nobody wants is answered and closed', async () => {
    const half = `${host(patient)}Content-Length: 1000\r\n\r\nhalf`;
    for (const [start, status] of [
      ['GET /api HTTP/1.1\r\n', '200'],
      ['PUT /api/contents/a.txt HTTP/1.1\r\n', '403'],
    ]) {
      const { ms, text } = await hold(`${start}${half}`, patient);
      expect(text).toContain(`HTTP/1.1 ${status}`);
      expect(ms).toBeLessThan(PATIENT.idleMs);
    }
  });

  it('and that is refused as a WebSocket is closed', async () => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    const key = `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n`;
    const request = `GET /api/events/subscribe HTTP/1.1\r\n${host(patient)}${upgrade}${key}\r\n`;
    const { ms, text } = await hold(request, patient);
    expect(text).toContain('HTTP/1.1 403');
    expect(ms).toBeLessThan(PATIENT.idleMs);
  });

  it.skipIf(process.platform !== 'linux')('and that does not read its answer is closed', async () => {
    const file = join(server.stateFolder, '../assets/app/static/large.js');
    writeFileSync(file, '');
    truncateSync(file, 256 * 2 ** 20);
    const opened = () =>
      readdirSync('/proc/self/fd').filter((name) => {
        try {
          return readlinkSync(`/proc/self/fd/${name}`).endsWith('large.js');
        } catch {
          return false;
        }
      }).length;
    const socket = connect(Number(new URL(server.origin).port), '127.0.0.1');
    open.push(socket);
    socket.pause();
    socket.write(`GET /static/lab/large.js HTTP/1.1\r\n${host()}\r\n`);
    await expect.poll(opened).toBe(1);
    await expect.poll(opened, { timeout: CLOSED_MS }).toBe(0);
  });

  it('of somebody who is logged in may wait for what takes long', async () => {
    const started = performance.now();
    const kernel = await server.lab.kernels.start('echo');
    await kernel.whenReady();
    const headers = { Authorization: `token ${server.token}` };
    vi.spyOn(kernel, 'restart').mockImplementation(() => sleep(LIMITS.idleMs + 2500));
    const path = `/api/kernels/${kernel.id}/restart`;
    const answer = await send(server.origin, path, { method: 'POST', headers });
    expect(answer.status).toBe(200);
    expect(performance.now() - started).toBeGreaterThan(LIMITS.idleMs);
  });

  it('is not a WebSocket that says nothing, which stays open', async () => {
    const address = `${server.origin.replace('http', 'ws')}/api/events/subscribe?token=${server.token}`;
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    await sleep(LIMITS.idleMs + 4500);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.terminate();
  });

  it('makes room for others: a flood of them shuts nobody out', async () => {
    const flood = Array.from({ length: 60 }, () => hold('GET /la', patient));
    await expect.poll(() => open.filter((socket) => socket.destroyed).length).toBe(40);
    const headers = { Authorization: `token ${patient.token}` };
    expect((await send(patient.origin, '/api/contents', { headers })).status).toBe(200);
    for (const socket of open) socket.destroy();
    await Promise.all(flood);
  });

  it('and that has shown the token is not counted among them', async () => {
    const request = `GET /api/status HTTP/1.1\r\n${host(patient)}Authorization: token ${patient.token}\r\n\r\n`;
    const socket = connect(Number(new URL(patient.origin).port), '127.0.0.1', () => socket.write(request));
    open.push(socket);
    const answers: string[] = [];
    socket.on('data', (chunk) => answers.push(chunk.toString('latin1')));
    await expect.poll(() => answers.length).toBe(1);
    for (let count = 0; count < 40; count += 1) void hold('', patient);
    await expect.poll(() => open.filter((other) => other.destroyed).length).toBe(20);
    socket.write(request);
    await expect.poll(() => answers.length).toBe(2);
  });
});

describe('the pace of a body', () => {
  /** What a server answers that reads bodies at a pace of its own; `hold` is called when the second chunk was sent. */
  const upload = async (chunks: readonly string[], everyMs: number, hold = (): void => undefined) => {
    const { createServer } = await import('node:http');
    const server = createServer((request, response) => {
      readBody(request, 1e6, { graceMs: 400, bytesPerSecond: 100 }).then(
        (body) => response.end(`read ${body.length}`),
        (error: { status: number }) => {
          response.writeHead(error.status, { Connection: 'close' }).end();
        },
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { request } = await import('node:http');
    try {
      return await new Promise<string>((resolve, reject) => {
        const outgoing = request({ port, host: '127.0.0.1', method: 'PUT' }, (incoming) => {
          clearInterval(timer);
          let text = `${incoming.statusCode} `;
          incoming.on('data', (chunk) => {
            text += chunk;
          });
          incoming.on('end', () => resolve(text.trim()));
        });
        outgoing.on('error', reject);
        const left = [...chunks];
        const sendNext = () => {
          const chunk = left.shift();
          if (chunk !== undefined) outgoing.write(chunk);
          else {
            clearInterval(timer);
            outgoing.end();
          }
          if (left.length === chunks.length - 2) process.nextTick(hold);
        };
        // After a turn's reading: what `hold` keeps is timers first, and then what was sent.
        const timer = setInterval(() => setImmediate(sendNext), everyMs);
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  };

  it('may be slow: an upload that goes on is taken, however long it takes', async () => {
    expect(await upload(new Array(15).fill('x'.repeat(100)), 100)).toBe('200 read 1500');
  });

  it('is that of what has arrived, also when a busy server has not read it yet', async () => {
    const chunks = ['x', ...new Array(5).fill('x'.repeat(1000))];
    // Time is up before the server can read the second one, which gives ten seconds more.
    const hold = () => {
      for (const end = performance.now() + 1000; performance.now() < end; );
    };
    expect(await upload(chunks, 50, hold)).toBe('200 read 5001');
  });

  it('may not be held up: a byte now and then is no upload', async () => {
    expect(await upload(new Array(30).fill('x'), 100)).toBe('408');
  });
});
