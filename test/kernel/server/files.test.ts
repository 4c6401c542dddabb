import { renameSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { serverWithApi } from './support/api.js';
import { send } from './support/raw.js';

const lab = serverWithApi();
const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  lab.server.fetch(path, {
    method,
    headers: { Authorization: `token ${lab.server.token}`, ...headers },
  });

const typesByName = [
  ['a.html', 'text/html; charset=utf-8'],
  ['a.csv', 'text/csv; charset=utf-8'],
  ['a.json', 'application/json'],
  ['a.tar.gz', 'application/gzip'],
  ['a.svg', 'image/svg+xml; charset=utf-8'],
  ['a.png', 'image/png'],
  ['a.bin', 'application/octet-stream'],
  ['a.HEIC', 'image/heic'],
  ['a.xhtml', 'application/xhtml+xml; charset=utf-8'],
  // Registered for something else than what it is here.
  ['a.ts', 'text/x-typescript; charset=utf-8'],
  ['a.rs', 'text/x-rust; charset=utf-8'],
  // No extension, though the words are extensions or properties of objects.
  ['png', 'application/octet-stream'],
  ['a.constructor', 'application/octet-stream'],
] as const;

describe('a file below /files/', () => {
  beforeAll(() => {
    writeFileSync(join(lab.server.folder, 'digits.txt'), '0123456789');
    writeFileSync(join(lab.server.folder, 'empty.txt'), '');
    for (const [name] of typesByName) writeFileSync(join(lab.server.folder, name), 'ü');
  });

  it.each(typesByName)('%s comes as %s', async (name, type) => {
    expect((await get(`/files/${name}`)).headers.get('content-type')).toBe(type);
  });

  it('is not sent again while it is what the browser holds', async () => {
    const first = await get('/files/digits.txt');
    const tag = first.headers.get('etag')!;
    const modified = first.headers.get('last-modified')!;
    const conditions: Record<string, string>[] = [
      { 'If-None-Match': tag },
      { 'If-Modified-Since': modified },
    ];
    for (const condition of conditions) {
      // Not by fetch, which asks for a fresh copy by itself.
      const headers = { Authorization: `token ${lab.server.token}`, ...condition };
      const again = await send(lab.server.origin, '/files/digits.txt', { headers });
      expect([again.status, again.text, again.headers.etag]).toEqual([304, '', tag]);
    }
    expect((await get('/files/digits.txt', { 'If-None-Match': '"other"' })).status).toBe(200);
    utimesSync(join(lab.server.folder, 'digits.txt'), new Date(), new Date(Date.now() + 5000));
    expect((await get('/files/digits.txt', { 'If-None-Match': tag })).status).toBe(200);
  });

  it.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=0-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=0-1,2-3', 206, '0123', 'bytes 0-3/10'],
    ['bytes=0-1,8-9', 200, '0123456789', null],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['lines=1-2', 200, '0123456789', null],
    ['bytes', 200, '0123456789', null],
  ])('Range: %s is answered with %i', async (range, status, text, contentRange) => {
    const answer = await get('/files/digits.txt', { Range: range });
    expect([answer.status, await answer.text()]).toEqual([status, text]);
    expect(answer.headers.get('content-range')).toBe(contentRange);
    if (status !== 416) expect(answer.headers.get('content-length')).toBe(String(text.length));
  });

  it('is sent whole when it is no longer the one of which a part is there', async () => {
    const tag = (await get('/files/digits.txt')).headers.get('etag')!;
    const part = await get('/files/digits.txt', { Range: 'bytes=5-', 'If-Range': tag });
    expect([part.status, await part.text()]).toEqual([206, '56789']);
    const whole = await get('/files/digits.txt', { Range: 'bytes=5-', 'If-Range': '"other"' });
    expect([whole.status, await whole.text()]).toEqual([200, '0123456789']);
  });

  it('is sent again when another one of its size has taken its time along', async () => {
    const file = join(lab.server.folder, 'restored.txt');
    writeFileSync(file, 'before');
    const { mtime } = statSync(file);
    const tag = (await get('/files/restored.txt')).headers.get('etag')!;
    writeFileSync(`${file}.copy`, 'after!');
    utimesSync(`${file}.copy`, mtime, mtime);
    renameSync(`${file}.copy`, file);
    const answer = await get('/files/restored.txt', { 'If-None-Match': tag });
    expect([answer.status, await answer.text()]).toEqual([200, 'after!']);
  });

  it('that becomes shorter while it is sent ends the connection, instead of keeping its reader', async () => {
    const file = join(lab.server.folder, 'shrinking.bin');
    writeFileSync(file, Buffer.alloc(64 * 2 ** 20));
    const answer = await get('/files/shrinking.bin');
    truncateSync(file, 2 ** 20);
    await expect(answer.arrayBuffer()).rejects.toThrow('terminated');
    expect((await get('/files/digits.txt')).status).toBe(200);
  });

  it('may be empty', async () => {
    const answer = await get('/files/empty.txt');
    expect([answer.status, await answer.text()]).toEqual([200, '']);
    expect((await get('/files/empty.txt', {}, 'HEAD')).headers.get('content-length')).toBe('0');
  });

  it('keeps its sandbox in every kind of answer', async () => {
    for (const headers of [{}, { Range: 'bytes=0-0' }, { 'If-None-Match': '*' }] as Record<
      string,
      string
    >[]) {
      const answer = await get('/files/digits.txt', headers);
      expect(answer.headers.get('content-security-policy')).toBe('sandbox allow-scripts');
    }
  });
});
