import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serverWithApi } from './support/api.js';

const lab = serverWithApi();
const onDisk = (path: string) => join(lab.server.folder, path);
const create = async (body: unknown, path = '') =>
  (await lab.ask('POST', `/api/contents/${path}`, body)).body;

describe.each(['checkpoints', 'trust'])('a folder named %s', (name) => {
  it.each(['', 'sub/'])('in "%s" opens, and its files are created, renamed and deleted', async (parent) => {
    const folder = `${parent}${name}`;
    mkdirSync(onDisk(folder), { recursive: true });
    writeFileSync(onDisk(`${folder}/weights.bin`), 'w');
    const listing = await lab.ask('GET', `/api/contents/${folder}`);
    expect(listing.body.content.map((entry: { name: string }) => entry.name)).toEqual(['weights.bin']);
    expect((await lab.ask('GET', `/api/contents/${folder}/weights.bin`)).body.content).toBe('w');
    expect((await create({ type: 'file' }, folder)).path).toBe(`${folder}/untitled.txt`);
    expect((await create({ type: 'file' }, folder)).path).toBe(`${folder}/untitled1.txt`);
    const made = await lab.ask('POST', `/api/contents/${folder}/weights.bin/checkpoints`);
    expect(made.status).toBe(201);
    const renamed = await lab.ask('PATCH', `/api/contents/${folder}/weights.bin`, { path: `${folder}/w2` });
    expect(renamed.status).toBe(200);
    expect((await lab.ask('DELETE', `/api/contents/${folder}/w2`)).status).toBe(204);
    expect((await lab.ask('DELETE', `/api/contents/${folder}/untitled.txt`)).status).toBe(204);
    expect((await lab.ask('DELETE', `/api/contents/${folder}`)).status).toBe(204);
    expect(existsSync(onDisk(folder))).toBe(false);
  });
});

describe('names', () => {
  it('are given as Jupyter gives them', async () => {
    expect((await create({ type: 'directory' })).name).toBe('Untitled Folder');
    expect((await create({ type: 'directory' })).name).toBe('Untitled Folder 1');
    expect((await create({ type: 'notebook' })).name).toBe('Untitled.ipynb');
    expect((await create({ type: 'notebook' })).name).toBe('Untitled1.ipynb');
    expect((await create({ type: 'file', ext: '.md' })).name).toBe('untitled.md');
    for (const [name, copies] of [
      ['a.tar.gz', ['a-Copy1.tar.gz', 'a-Copy2.tar.gz']],
      ['v1.2.ipynb', ['v1.2-Copy1.ipynb', 'v1.2-Copy2.ipynb']],
      ['plain', ['plain-Copy1', 'plain-Copy2']],
    ] as const) {
      writeFileSync(onDisk(name), '');
      expect((await create({ copy_from: name })).name).toBe(copies[0]);
      expect((await create({ copy_from: copies[0] })).name).toBe(copies[1]);
    }
  });

  it('may be as long as the disk takes them, in bytes; longer ones are refused by name', async () => {
    const longest = '漢'.repeat(85);
    expect((await lab.save(encodeURIComponent(longest), 'x')).status).toBe(201);
    const chunk = { type: 'file', format: 'text', content: 'y' };
    const path = `/api/contents/${encodeURIComponent(longest)}`;
    expect((await lab.ask('PUT', path, { ...chunk, chunk: 1 })).status).toBe(200);
    expect((await lab.ask('PUT', path, { ...chunk, chunk: -1 })).status).toBe(200);
    expect(readFileSync(onDisk(longest), 'utf8')).toBe('yy');
    const longer = await lab.save(encodeURIComponent(`${longest}x`), 'x');
    expect(longer.status).toBe(400);
    expect(longer.body.message).toContain(`256 bytes long, 255 are accepted: ${longest}x`);
    expect((await lab.ask('PATCH', path, { path: `${longest}x` })).status).toBe(400);
  });

  it('that are half of a surrogate pair are refused', async () => {
    await lab.save('s.txt', 'x');
    expect((await lab.ask('PATCH', '/api/contents/s.txt', '{"path":"s\\ud800.txt"}')).status).toBe(400);
    expect(existsSync(onDisk('s.txt'))).toBe(true);
  });
});

describe('folders', () => {
  it('are neither copied nor moved into themselves', async () => {
    mkdirSync(onDisk('outer/inner'), { recursive: true });
    for (const [method, path, body] of [
      ['POST', 'outer', { copy_from: 'outer' }],
      ['POST', 'outer/inner', { copy_from: 'outer' }],
      ['PATCH', 'outer', { path: 'outer/inner/outer' }],
    ] as const) {
      const answer = await lab.ask(method, `/api/contents/${path}`, body);
      expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining('into itself')]);
    }
    expect(readdirSync(onDisk('outer/inner'))).toEqual([]);
  });

  it('are copied with what they hold', async () => {
    mkdirSync(onDisk('full/deep'), { recursive: true });
    writeFileSync(onDisk('full/deep/x.txt'), 'x');
    expect((await create({ copy_from: 'full' })).name).toBe('full-Copy1');
    expect(readFileSync(onDisk('full-Copy1/deep/x.txt'), 'utf8')).toBe('x');
  });

  it('are of another type than a file: the reason is the one that front ends look for', async () => {
    mkdirSync(onDisk('kind'));
    await lab.save('kind.txt', 'x');
    for (const path of ['kind?type=file', 'kind?type=notebook', 'kind.txt?type=directory']) {
      const answer = await lab.ask('GET', `/api/contents/${path}`);
      expect([answer.status, answer.body.reason]).toEqual([400, 'bad type']);
    }
  });
});

describe('the file of a network', () => {
  it.each([
    ['nets/mine.onnx', 3],
    ['nets/weights.pth', 3],
    ['nets/huge.safetensors', 300 * 2 ** 20],
  ])('that is opened, %s, cannot be shown: what reads it is said', async (path, size) => {
    mkdirSync(onDisk('nets'), { recursive: true });
    writeFileSync(onDisk(path), Buffer.from([0x80, 0xff, 0]));
    if (size > 3) truncateSync(onDisk(path), size);
    const { status, body } = await lab.ask('GET', `/api/contents/${path}?format=text`);
    expect(status).toBe(400);
    expect(body.message).toContain(`reads it with loadNetwork('${path.slice(5)}')`);
  });

  it('is no other file that is no text', async () => {
    writeFileSync(onDisk('sound.wav'), Buffer.from([0x80, 0xff, 0]));
    const { body } = await lab.ask('GET', '/api/contents/sound.wav?format=text');
    expect(body.message).toBe('sound.wav is no text: it is not UTF-8 encoded');
  });
});

describe('what is too large', () => {
  it('is not shown, but has a hash and can be downloaded', async () => {
    writeFileSync(onDisk('large.bin'), '');
    truncateSync(onDisk('large.bin'), 300 * 2 ** 20);
    const { status, body } = await lab.ask('GET', '/api/contents/large.bin');
    expect(status).toBe(400);
    expect(body.message).toBe(
      'large.bin is too large to be shown: 300 MB, 256 MB are shown; it can be downloaded',
    );
    const hashed = await lab.ask('GET', '/api/contents/large.bin?content=0&hash=1');
    expect(hashed.body.hash).toMatch(/^[0-9a-f]{64}$/);
    const part = await lab.server.fetch('/files/large.bin', {
      headers: { Authorization: `token ${lab.server.token}`, Range: 'bytes=-1' },
    });
    expect([part.status, part.headers.get('content-range')]).toEqual([
      206,
      `bytes ${300 * 2 ** 20 - 1}-${300 * 2 ** 20 - 1}/${300 * 2 ** 20}`,
    ]);
  });

  it('is refused when it is nested too deeply, be it sent or read', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const notebook = `{"cells":[],"metadata":{"deep":${deep}},"nbformat":4,"nbformat_minor":5}`;
    const sent = await lab.ask(
      'PUT',
      '/api/contents/deep.ipynb',
      `{"type":"notebook","content":${notebook}}`,
    );
    expect([sent.status, existsSync(onDisk('deep.ipynb'))]).toEqual([400, false]);
    writeFileSync(onDisk('deep.ipynb'), notebook);
    expect((await lab.ask('GET', '/api/contents/deep.ipynb')).status).toBe(400);
    expect(lab.server.log).toEqual([]);
  });
});

describe('answers', () => {
  it('name the folder that a file cannot be moved to', async () => {
    await lab.save('stays.txt', 'x');
    const moved = await lab.ask('PATCH', '/api/contents/stays.txt', { path: 'nowhere/at/x.txt' });
    expect(moved.status).toBe(404);
    expect(moved.body).toMatchObject({ message: 'No such directory: nowhere/at' });
    expect(readFileSync(onDisk('stays.txt'), 'utf8')).toBe('x');
  });

  it('say where the new thing is', async () => {
    const put = await lab.save('l%23%20%3F.txt', 'x');
    expect(put.headers.get('location')).toBe('/api/contents/l%23%20%3F.txt');
    const renamed = await lab.ask('PATCH', put.headers.get('location')!, { path: 'm.txt' });
    expect(renamed.headers.get('location')).toBe('/api/contents/m.txt');
    const read = await lab.ask('GET', '/api/contents/m.txt');
    expect(Date.parse(read.headers.get('last-modified')!)).toBeGreaterThan(0);
  });

  it('a notebook is trusted by its path, until it changes', async () => {
    const html = { output_type: 'display_data', data: { 'text/html': '<b>x</b>' }, metadata: {} };
    const cell = { cell_type: 'code', metadata: {}, source: '', execution_count: 1, outputs: [html] };
    const notebook = { cells: [cell], metadata: {}, nbformat: 4, nbformat_minor: 4 };
    writeFileSync(onDisk('t.ipynb'), JSON.stringify(notebook));
    const trusted = async () =>
      (await lab.ask('GET', '/api/contents/t.ipynb')).body.content.cells[0].metadata.trusted;
    expect(await trusted()).toBe(false);
    expect((await lab.ask('POST', '/api/contents/t.ipynb/trust')).status).toBe(201);
    expect(await trusted()).toBe(true);
    writeFileSync(onDisk('t.ipynb'), JSON.stringify({ ...notebook, metadata: { changed: true } }));
    expect(await trusted()).toBe(false);
  });

  it('a path as a traceback prints it is found', async () => {
    await lab.save('main.py', '');
    const resolve = async (path: string, more = '') =>
      (await lab.ask('GET', `/api/resolvePath?path=${encodeURIComponent(path)}${more}`)).body;
    expect(await resolve(onDisk('main.py'))).toEqual({ resolved: [{ scope: 'server', path: 'main.py' }] });
    expect(await resolve('main.py')).toEqual({ resolved: [{ scope: 'server', path: 'main.py' }] });
    for (const path of ['none.py', '/etc/passwd', '../state', '.hidden']) {
      expect(await resolve(path)).toEqual({ resolved: [] });
    }
    expect((await resolve('main.py', '&kernel=none')).unresolved).toEqual([
      { scope: 'kernel', reason: 'Kernel none could not be found' },
    ]);
  });

  it('the colour of a person can be changed, their name cannot', async () => {
    const { body } = await lab.ask('GET', '/api/me?permissions={"contents":["read","write"]}');
    expect(body.permissions).toEqual({ contents: ['read', 'write'], updatable_fields: ['color'] });
    expect((await lab.ask('GET', '/api/me?permissions=[]')).status).toBe(400);
    const changed = await lab.ask('PATCH', '/api/me', { color: '#123456' });
    expect(changed.body).toMatchObject({ status: 'success', identity: { color: '#123456' } });
    expect((await lab.ask('GET', '/api/me')).body.identity.color).toBe('#123456');
    expect((await lab.ask('PATCH', '/api/me', { name: 'root' })).status).toBe(400);
    expect((await lab.ask('PATCH', '/api/me', {})).status).toBe(400);
  });
});
