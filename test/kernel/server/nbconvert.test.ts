import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer, type TestServer } from './support/server.js';

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const cell = (source: string) => ({ cell_type: 'markdown', id: 'a', metadata: {}, source });

describe('notebooks as pages', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer();
    mkdirSync(join(server.folder, 'sub'));
    writeFileSync(join(server.folder, 'dot.png'), Buffer.from(PIXEL, 'base64'));
    const outside = join(server.folder, '..', 'outside.png');
    writeFileSync(outside, Buffer.from(PIXEL, 'base64'));
    symlinkSync(outside, join(server.folder, 'sub', 'linked.png'));
    const source = '# Größe\n\n![in](../dot.png) ![out](../../outside.png) ![link](linked.png)';
    writeFileSync(
      join(server.folder, 'sub', 'ein übung.ipynb'),
      JSON.stringify({ cells: [cell(source)], metadata: {}, nbformat: 4, nbformat_minor: 5 }),
    );
    writeFileSync(join(server.folder, 'bad.ipynb'), '{');
  });

  afterAll(() => server.close());

  it('are the one format that is offered', async () => {
    const formats = await (await server.fetch('/api/nbconvert')).json();
    expect(formats).toEqual({ html: { output_mimetype: 'text/html' } });
  });

  it('hold pictures from below the folder, and from nowhere else', async () => {
    const answer = await server.fetch(`/nbconvert/html/sub/${encodeURIComponent('ein übung.ipynb')}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('content-security-policy')).toMatch(/default-src 'none'.*; sandbox$/);
    expect(answer.headers.get('content-disposition')).toBe(
      `inline; filename*=UTF-8''${encodeURIComponent('ein übung.html')}`,
    );
    const text = await answer.text();
    expect(text).toContain('Größe</h1>');
    expect(text).toContain(`<img src="data:image/png;base64,${PIXEL}" alt="in"`);
    expect(text).toContain('[out]');
    expect(text).toContain('[link]');
  });

  it('are downloads when asked for as such', async () => {
    const answer = await server.fetch(
      `/nbconvert/html/sub/${encodeURIComponent('ein übung.ipynb')}?download=true`,
    );
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; /);
  });

  it.each([
    ['/nbconvert/pdf/bad.ipynb', 404],
    ['/nbconvert/html/missing.ipynb', 404],
    ['/nbconvert/html/bad.ipynb', 400],
    ['/nbconvert/html/sub', 400],
    ['/nbconvert/html/..%2Foutside.png', 404],
  ])('refuse %s with %d', async (path, status) => {
    expect((await server.fetch(path)).status).toBe(status);
  });

  it.skipIf(process.platform === 'win32')('leave pipes alone, which would hold up the server', async () => {
    for (const name of ['pipe.ipynb', 'pipe.png']) execFileSync('mkfifo', [join(server.folder, name)]);
    const text = JSON.stringify({
      cells: [cell('![pipe](pipe.png)')],
      metadata: {},
      nbformat: 4,
      nbformat_minor: 5,
    });
    writeFileSync(join(server.folder, 'piped.ipynb'), text);
    // Node reads with four threads, and each would wait for a writer.
    const asked = ['pipe', 'piped'].flatMap((name) =>
      [1, 2, 3, 4].map(() => `/nbconvert/html/${name}.ipynb`),
    );
    const statuses = await Promise.all(asked.map(async (path) => (await server.fetch(path)).status));
    expect(statuses).toEqual([400, 400, 400, 400, 200, 200, 200, 200]);
  });

  it('that take long to write keep no other request waiting, and end with their reader', async () => {
    const slow = { cells: [cell('*a '.repeat(20_000))], metadata: {}, nbformat: 4, nbformat_minor: 5 };
    writeFileSync(join(server.folder, 'slow.ipynb'), JSON.stringify(slow));
    const reader = new AbortController();
    const page = server.fetch('/nbconvert/html/slow.ipynb', { signal: reader.signal });
    const left = expect(page).rejects.toThrow(/abort/);
    let ended = false;
    void page.catch(() => undefined).finally(() => (ended = true));
    await delay(1000);
    expect((await server.fetch('/api/nbconvert')).status).toBe(200);
    expect(ended).toBe(false);
    reader.abort();
    await left;
    // The next one begins when the one before has ended.
    const next = `/nbconvert/html/sub/${encodeURIComponent('ein übung.ipynb')}`;
    expect((await server.fetch(next)).status).toBe(200);
    expect(server.log).toEqual([]);
  });

  it('are for those who are logged in', async () => {
    const answer = await fetch(`${server.origin}/nbconvert/html/bad.ipynb`);
    expect(answer.status).toBe(403);
  });
});
