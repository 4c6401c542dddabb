import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { serverWithApi } from './support/api.js';

const home = mkdtempSync(join(tmpdir(), 'fovea-home-'));
const trash = join(home, 'Trash', 'files');

/** The trash of a home folder is where $XDG_DATA_HOME is; elsewhere than on Linux it cannot be set aside. */
describe.skipIf(process.platform !== 'linux')('what is deleted', () => {
  beforeAll(() => {
    vi.stubEnv('XDG_DATA_HOME', home);
    vi.stubEnv('HOME', home);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true, force: true });
  });
  const lab = serverWithApi({ deleteToTrash: true });
  const pageConfig = async () => {
    const page = await lab.server.fetch('/lab');
    return JSON.parse(/type="application\/json">(.*?)<\/script>/s.exec(await page.text())![1]!);
  };

  it('goes to the trash, full folders too, as the question of the page says', async () => {
    expect(homedir()).toBe(home);
    expect((await pageConfig()).delete_to_trash).toBe('true');
    mkdirSync(join(lab.server.folder, 'full'));
    writeFileSync(join(lab.server.folder, 'full', '*.txt'), 'kept');
    expect((await lab.ask('DELETE', '/api/contents/full')).status).toBe(204);
    expect(existsSync(join(lab.server.folder, 'full'))).toBe(false);
    const [name] = readdirSync(trash);
    expect(readFileSync(join(trash, name!, '*.txt'), 'utf8')).toBe('kept');
    const info = readFileSync(join(home, 'Trash', 'info', `${name}.trashinfo`), 'utf8');
    expect(info).toContain(`Path=${encodeURI(join(lab.server.folder, 'full'))}`);
  });

  it('is taken by its name, whatever the name means to a shell', async () => {
    for (const name of ['*', '!a', '[b].txt']) writeFileSync(join(lab.server.folder, name), name);
    expect((await lab.ask('DELETE', '/api/contents/*')).status).toBe(204);
    expect(readdirSync(lab.server.folder).sort()).toEqual(['!a', '[b].txt']);
    expect((await lab.ask('DELETE', '/api/contents/!a')).status).toBe(204);
    expect((await lab.ask('DELETE', '/api/contents/[b].txt')).status).toBe(204);
    expect(readdirSync(lab.server.folder)).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('stays in a folder that can only be read (not as root)', async () => {
    const fixed = join(lab.server.folder, 'fixed');
    mkdirSync(fixed);
    writeFileSync(join(fixed, 'stays.txt'), 'x');
    chmodSync(fixed, 0o555);
    const answer = await lab.ask('DELETE', '/api/contents/fixed/stays.txt');
    chmodSync(fixed, 0o755);
    expect([answer.status, answer.body.message]).toEqual([403, 'Permission denied: fixed/stays.txt']);
    expect(existsSync(join(fixed, 'stays.txt'))).toBe(true);
  });

  it('stays where there is no trash, and the terminal shows why', async () => {
    rmSync(join(home, 'Trash'), { recursive: true });
    writeFileSync(join(home, 'Trash'), 'in the way');
    writeFileSync(join(lab.server.folder, 'stays.txt'), 'x');
    const answer = await lab.ask('DELETE', '/api/contents/stays.txt');
    expect(answer.status).toBe(500);
    expect(answer.body.message).toContain('stays.txt cannot be moved to the trash: it was not deleted');
    expect(existsSync(join(lab.server.folder, 'stays.txt'))).toBe(true);
    expect(lab.server.log.join('\n')).toMatch(/^DELETE \/api\/contents\/stays\.txt failed: [\s\S]*E[A-Z]+/);
  });
});
