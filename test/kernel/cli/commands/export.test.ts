// @module-tag process
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fovea } from '../run-fovea.js';

const NOTEBOOK = {
  cells: [{ cell_type: 'markdown', id: 'a', metadata: {}, source: '# Handed in' }],
  metadata: {},
  nbformat: 4,
  nbformat_minor: 5,
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-export-'));
  await writeFile(join(folder, 'work.ipynb'), JSON.stringify(NOTEBOOK));
});
afterAll(() => rm(folder, { recursive: true }));

describe('fovea export', () => {
  it('writes the page beside the notebook, and replaces it when exported again', async () => {
    for (let time = 0; time < 2; time += 1) {
      const { code, stdout } = await fovea('export', join(folder, 'work.ipynb'), '--to', 'html');
      expect([code, stdout]).toEqual([0, `${join(folder, 'work.html')}\n`]);
    }
    expect(await readFile(join(folder, 'work.html'), 'utf8')).toContain('Handed in</h1>');
  });

  it('does not replace a page of another origin, unless forced', async () => {
    const file = join(folder, 'mine.html');
    await writeFile(file, '<p>mine</p>');
    const refused = await fovea('export', join(folder, 'work.ipynb'), '--output', file);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('mine.html exists and is no export: --force replaces it');
    expect(await readFile(file, 'utf8')).toBe('<p>mine</p>');
    expect((await fovea('export', join(folder, 'work.ipynb'), '--output', file, '--force')).code).toBe(0);
    expect(await readFile(file, 'utf8')).toContain('Handed in');
  });

  it('writes to standard output', async () => {
    const { code, stdout } = await fovea('export', join(folder, 'work.ipynb'), '--output', '-');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^<!doctype html>[\s\S]*Handed in[\s\S]*<\/html>\n$/);
  });

  it.each([
    [['work.ipynb', '--to', 'pdf'], '--to pdf: html is accepted'],
    [['missing.ipynb'], 'missing.ipynb: there is no such file'],
    [['.'], 'it is a folder'],
    [['work.ipynb', '--output', join('absent', 'page.html')], 'the folder absent: there is no such folder'],
    [['broken.ipynb'], 'Unreadable notebook'],
  ])('refuses %j', async ([name, ...options], message) => {
    await writeFile(join(folder, 'broken.ipynb'), '{');
    const { code, stderr } = await fovea('export', join(folder, name!), ...options);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
