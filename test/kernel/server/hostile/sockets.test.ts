import { beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { hostileSite } from '../support/hostile.js';
import { send, sendBytes } from '../support/raw.js';

const site = hostileSite();

describe('over WebSockets', () => {
  let kernelId: string;

  beforeAll(async () => {
    kernelId = (await site.server.lab.kernels.start('echo')).id;
    await site.server.lab.kernels.get(kernelId).whenReady();
  });

  const address = (query = '') => `ws://${site.host}/api/kernels/${kernelId}/channels${query}`;

  /** Resolves to the status of a refused upgrade, or to the open socket. */
  const open = (url: string, options: WebSocket.ClientOptions, protocols: string[] = []) =>
    new Promise<number | WebSocket>((resolve) => {
      const socket = new WebSocket(url, protocols, options);
      socket.on('open', () => resolve(socket));
      socket.on('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0));
      socket.on('error', () => resolve(0));
    });

  const openWithToken = async (protocols: string[] = []) => {
    const socket = await open(address(`?token=${site.server.token}&session_id=x`), {}, protocols);
    if (typeof socket === 'number') throw new Error(`refused with ${socket}`);
    return socket;
  };

  const closed = (socket: WebSocket) =>
    new Promise<number>((resolve) => {
      socket.on('close', (code) => resolve(code));
    });

  it('a socket without a login is refused', async () => {
    expect(await open(address(), {})).toBe(403);
    expect(await open(address('?token=wrong'), {})).toBe(403);
    expect(await open(`ws://${site.host}/api/events/subscribe`, {})).toBe(403);
  });

  it("another site's page is refused although the browser sends the cookie", async () => {
    for (const origin of ['https://evil.example', 'http://localhost:1', 'null']) {
      expect(await open(address(), { headers: { Cookie: site.cookie, Origin: origin } })).toBe(403);
    }
    const own = await open(address(), { headers: { Cookie: site.cookie, Origin: site.server.origin } });
    expect(own).toBeInstanceOf(WebSocket);
    (own as WebSocket).terminate();
  });

  it('a foreign Host is refused', async () => {
    const options = { headers: { Host: 'evil.example' } };
    expect(await open(address(`?token=${site.server.token}`), options)).toBe(403);
  });

  it('a kernel that does not exist is refused with 404', async () => {
    const query = `?token=${site.server.token}`;
    expect(await open(`ws://${site.host}/api/kernels/00000000-0000/channels${query}`, {})).toBe(404);
    expect(await open(`ws://${site.host}/api/nothing${query}`, {})).toBe(404);
  });

  const malformed: readonly [string, string | Buffer, string[]][] = [
    ['text that is no JSON', 'hello', []],
    ['a message without a header', '{"channel":"shell"}', []],
    [
      'a message for a channel that kernels send on',
      '{"channel":"iopub","header":{"msg_id":"a","msg_type":"b"}}',
      [],
    ],
    ['a header that is a list', '{"channel":"shell","header":[]}', []],
    ['null', 'null', []],
    ['a binary frame shorter than its table', Buffer.from([0, 0, 0, 9]), []],
    ['a binary frame with offsets out of order', Buffer.from([0, 0, 0, 2, 0, 0, 0, 200, 0, 0, 0, 1]), []],
    ['text on the binary protocol', '{}', ['v1.kernel.websocket.jupyter.org']],
    ['an empty v1 frame', Buffer.alloc(0), ['v1.kernel.websocket.jupyter.org']],
    ['a v1 frame that announces 2^63 parts', Buffer.alloc(16, 0xff), ['v1.kernel.websocket.jupyter.org']],
    [
      'a v1 frame with offsets past its end',
      v1Frame([6, 56, 1000, 1001, 1002, 1003, 1004]),
      ['v1.kernel.websocket.jupyter.org'],
    ],
    [
      'a v1 frame with offsets going back',
      v1Frame([6, 60, 58, 57, 56, 56, 56]),
      ['v1.kernel.websocket.jupyter.org'],
    ],
  ];

  it.each(malformed)('%s ends the connection, not the server', async (_, data, protocols) => {
    const socket = await openWithToken([...protocols]);
    const code = closed(socket);
    socket.send(data);
    expect(await code).toBe(1003);
    await expect.poll(() => site.server.lab.kernels.get(kernelId).state).toBe('idle');
  });

  it('an oversized frame ends the connection with 1009', async () => {
    const socket = await openWithToken();
    const code = closed(socket);
    socket.on('error', () => undefined);
    socket.send(Buffer.alloc(64 * 2 ** 20 + 1));
    expect(await code).toBe(1009);
  });

  it('frames that break the WebSocket protocol end the connection', async () => {
    const handshake = [
      `GET /api/kernels/${kernelId}/channels?token=${site.server.token} HTTP/1.1`,
      `Host: ${site.host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
      '\r\n',
    ].join('\r\n');
    const unmasked = Buffer.concat([Buffer.from(handshake), Buffer.from([0x81, 0x02, 0x68, 0x69])]);
    expect(await sendBytes(site.server.origin, unmasked, 1000)).toContain('101 Switching Protocols');
    const reserved = Buffer.concat([Buffer.from(handshake), Buffer.from([0xff, 0xff, 0xff, 0xff])]);
    await sendBytes(site.server.origin, reserved, 1000);
    await sendBytes(site.server.origin, handshake.replace('13', '99'), 1000);
    expect((await send(site.server.origin, '/api')).status).toBe(200);
  });
});

/** A v1 frame's table of 64-bit numbers, followed by nothing. */
function v1Frame(numbers: readonly number[]): Buffer {
  const table = Buffer.alloc(8 * numbers.length);
  for (const [index, number] of numbers.entries()) table.writeBigUInt64LE(BigInt(number), 8 * index);
  return table;
}
