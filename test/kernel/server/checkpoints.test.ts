import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serverWithApi } from './support/api.js';

const lab = serverWithApi();
const contents = (path: string) => `/api/contents/${encodeURI(path)}`;
const checkpoint = (path: string) => lab.ask('POST', contents(`${path}/checkpoints`));
const revert = (path: string) => lab.ask('POST', contents(`${path}/checkpoints/checkpoint`));
const textOf = async (path: string) => (await lab.ask('GET', contents(path))).body.content;
const listOf = async (path: string) => (await lab.ask('GET', contents(`${path}/checkpoints`))).body;

/** A checkpoint is of one file: it goes where that goes, and ends with it. */
describe('the checkpoint of a file', () => {
  it('is gone when the file was deleted: a new file of that name cannot go back to the old text', async () => {
    await lab.save('a.txt', 'old');
    await checkpoint('a.txt');
    await lab.ask('DELETE', contents('a.txt'));
    await lab.save('a.txt', 'new');
    expect(await listOf('a.txt')).toEqual([]);
    expect((await revert('a.txt')).status).toBe(404);
    expect(await textOf('a.txt')).toBe('new');
  });

  it('goes with the file into another folder and under another name', async () => {
    mkdirSync(join(lab.server.folder, 'sub'));
    await lab.save('b.txt', 'first');
    await checkpoint('b.txt');
    await lab.save('b.txt', 'second');
    await lab.ask('PATCH', contents('b.txt'), { path: 'sub/c.txt' });
    expect((await revert('sub/c.txt')).status).toBe(204);
    expect(await textOf('sub/c.txt')).toBe('first');
    await lab.save('b.txt', 'another');
    expect(await listOf('b.txt')).toEqual([]);
  });

  it('of a file that was removed by other programs is not that of what moves there', async () => {
    mkdirSync(join(lab.server.folder, '.ipynb_checkpoints'), { recursive: true });
    const stale = join(lab.server.folder, '.ipynb_checkpoints');
    for (const name of ['d-checkpoint.txt', 'untitled-checkpoint.txt', 'e-Copy1-checkpoint.txt']) {
      writeFileSync(join(stale, name), 'stale');
    }
    await lab.save('e.txt', 'text');
    await lab.ask('PATCH', contents('e.txt'), { path: 'd.txt' });
    await lab.save('e.txt', 'text');
    const untitled = await lab.ask('POST', '/api/contents', { type: 'file' });
    const copy = await lab.ask('POST', '/api/contents', { copy_from: 'e.txt' });
    expect([untitled.body.name, copy.body.name]).toEqual(['untitled.txt', 'e-Copy1.txt']);
    for (const name of ['d.txt', 'untitled.txt', 'e-Copy1.txt']) expect(await listOf(name)).toEqual([]);
    expect(existsSync(join(stale, 'd-checkpoint.txt'))).toBe(false);
  });

  it('is kept for a name that is as long as a name can be', async () => {
    for (const name of [`${'漢'.repeat(83)}a.txt`, `${'x'.repeat(251)}.txt`, `x.${'y'.repeat(253)}`]) {
      expect(Buffer.byteLength(name)).toBeGreaterThan(253);
      expect((await lab.save(encodeURIComponent(name), 'first')).status).toBe(201);
      const made = await checkpoint(name);
      expect(made.status).toBe(201);
      await lab.save(encodeURIComponent(name), 'second');
      expect((await revert(name)).status).toBe(204);
      expect(await textOf(name)).toBe('first');
      expect((await lab.ask('DELETE', contents(name))).status).toBe(204);
    }
  });

  it('is where the Location of its making says', async () => {
    await lab.save('f%231.txt', 'x');
    const made = await lab.ask('POST', '/api/contents/f%231.txt/checkpoints');
    expect(made.headers.get('location')).toBe('/api/contents/f%231.txt/checkpoints/checkpoint');
    expect((await lab.ask('POST', made.headers.get('location')!)).status).toBe(204);
  });
});
