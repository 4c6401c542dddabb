import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { serverWithApi } from '../support/api.js';

/** What a repository from elsewhere may hold: links that are followed when nobody looks. */
describe.each([false, true])('links in a folder, with followLinks %s', (followLinks) => {
  const lab = serverWithApi({ followLinks });
  let outside: string;
  const contents = (path: string) => `/api/contents/${path}`;
  const inside = (path: string) => join(lab.server.folder, path);

  beforeAll(() => {
    outside = join(lab.server.stateFolder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'a-checkpoint.txt'), 'a secret');
    for (const folder of ['linked-folder', 'linked-file', 'dangling-file']) {
      mkdirSync(inside(folder));
      writeFileSync(inside(`${folder}/a.txt`), 'text');
    }
    symlinkSync(outside, inside('linked-folder/.ipynb_checkpoints'));
    for (const folder of ['linked-file', 'dangling-file']) mkdirSync(inside(`${folder}/.ipynb_checkpoints`));
    symlinkSync(join(outside, 'a-checkpoint.txt'), inside('linked-file/.ipynb_checkpoints/a-checkpoint.txt'));
    symlinkSync(join(outside, 'new.txt'), inside('dangling-file/.ipynb_checkpoints/a-checkpoint.txt'));
  });

  it.each(['linked-folder', 'linked-file', 'dangling-file'])('%s: there is no checkpoint', async (folder) => {
    expect((await lab.ask('GET', contents(`${folder}/a.txt/checkpoints`))).body).toEqual([]);
    const restored = await lab.ask('POST', contents(`${folder}/a.txt/checkpoints/checkpoint`));
    expect(restored.status).toBe(404);
    expect(readFileSync(inside(`${folder}/a.txt`), 'utf8')).toBe('text');
    const deleted = await lab.ask('DELETE', contents(`${folder}/a.txt/checkpoints/checkpoint`));
    expect(deleted.status).toBe(404);
  });

  it('a folder of checkpoints that is a link is refused, with the way out', async () => {
    const made = await lab.ask('POST', contents('linked-folder/a.txt/checkpoints'));
    expect(made.status).toBe(403);
    expect(made.body.message).toMatch(/\.ipynb_checkpoints beside a\.txt is a link: remove it/);
    writeFileSync(inside('b.txt'), 'b');
    expect((await lab.ask('POST', contents('b.txt/checkpoints'))).status).toBe(201);
    const moved = await lab.ask('PATCH', contents('b.txt'), { path: 'linked-folder/b.txt' });
    expect(moved.status).toBe(403);
    expect(readFileSync(inside('b.txt'), 'utf8')).toBe('b');
  });

  it('a checkpoint that is a link is replaced, what it leads to is left alone', async () => {
    for (const folder of ['linked-file', 'dangling-file']) {
      expect((await lab.ask('POST', contents(`${folder}/a.txt/checkpoints`))).status).toBe(201);
      const checkpoint = inside(`${folder}/.ipynb_checkpoints/a-checkpoint.txt`);
      expect(readFileSync(checkpoint, 'utf8')).toBe('text');
    }
  });

  it('nothing outside was touched in the end', async () => {
    for (const folder of ['linked-folder', 'linked-file', 'dangling-file']) {
      expect((await lab.ask('DELETE', contents(`${folder}/a.txt`))).status).toBe(204);
      expect((await lab.ask('DELETE', contents(folder))).status).toBe(204);
    }
    expect(readdirSync(outside)).toEqual(['a-checkpoint.txt']);
    expect(readFileSync(join(outside, 'a-checkpoint.txt'), 'utf8')).toBe('a secret');
  });
});

it('a link that leads nowhere is no way to write outside', async () => {
  const { server, save, ask } = lab;
  symlinkSync(join(server.stateFolder, 'made.txt'), join(server.folder, 'nowhere.txt'));
  expect((await save('nowhere.txt', 'x')).status).toBe(404);
  await save('here.txt', 'x');
  expect((await ask('PATCH', '/api/contents/here.txt', { path: 'nowhere.txt' })).status).toBe(404);
  expect(readdirSync(server.stateFolder)).not.toContain('made.txt');
});
const lab = serverWithApi();
