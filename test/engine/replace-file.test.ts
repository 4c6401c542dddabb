import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkDataFolder, storeFile } from '../../engine/src/data-folder.js';
import { diskRefusal } from '../../engine/src/file.js';
import { putFile } from '../../engine/src/put-in-place.js';
import { checkWritable, replaceFile } from '../../engine/src/replace-file.js';

/** What happens when it is next asked whether a file may be written. */
const lookedAt = vi.hoisted((): (() => void)[] => []);
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FileSystem>();
  const access: typeof real.access = (...given) => {
    lookedAt.shift()?.();
    return real.access(...given);
  };
  return { ...real, access };
});

const base = mkdtempSync(join(tmpdir(), 'fovea-replace-'));
const disk = mkdtempSync(join(tmpdir(), 'fovea-disk-'));
const hasDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (hasDisk) spawnSync('umount', [disk]);
  for (const folder of [base, disk]) rmSync(folder, { recursive: true, force: true });
});

let folder: string;
afterEach(() => vi.unstubAllEnvs());
beforeEach(() => {
  folder = mkdtempSync(join(base, 'case-'));
});

describe('replaceFile', () => {
  it('names a folder that is missing, and nothing of how it writes', async () => {
    const absent = join(folder, 'absent');
    await expect(replaceFile(join(absent, 'page.html'), 'x')).rejects.toMatchObject({
      code: 'io',
      message: `cannot save ${join(absent, 'page.html')}: the folder ${absent}: there is no such folder`,
    });
  });

  it('leaves the whole content of one of two writers, and nothing else', async () => {
    const file = join(folder, 'network.safetensors');
    const contents = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(3_000_000));
    await Promise.all(contents.map((content) => replaceFile(file, content)));
    expect(contents).toContain(readFileSync(file, 'utf8'));
    expect(readdirSync(folder)).toEqual(['network.safetensors']);
  });

  it.each([
    ['replaceFile', (file: string) => replaceFile(file, 'new')],
    [
      'putFile',
      async (file: string) => {
        writeFileSync(`${file}.partial`, 'new');
        await putFile(`${file}.partial`, file);
      },
    ],
  ])('%s writes a file again that goes while it is looked at', async (_, save) => {
    const file = join(folder, 'a.txt');
    writeFileSync(file, 'old');
    lookedAt.push(() => rmSync(file));
    await save(file);
    expect(lookedAt).toEqual([]);
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['a.txt']);
  });

  it('touches no other file beside it', async () => {
    writeFileSync(join(folder, 'a.json.partial'), "somebody's");
    await replaceFile(join(folder, 'a.json'), '{}');
    expect(readFileSync(join(folder, 'a.json.partial'), 'utf8')).toBe("somebody's");
  });

  it('keeps permissions, and writes through a symbolic link', async () => {
    const file = join(folder, 'a.txt');
    writeFileSync(file, 'before', { mode: 0o600 });
    symlinkSync('a.txt', join(folder, 'link'));
    await replaceFile(join(folder, 'link'), 'after');
    expect(readFileSync(file, 'utf8')).toBe('after');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
  });

  it('makes the file that a symbolic link leads to, in the folder of that file', async () => {
    mkdirSync(join(folder, 'inner'));
    symlinkSync('inner', join(folder, 'also'));
    symlinkSync('b.txt', join(folder, 'inner', 'second'));
    symlinkSync(join('also', 'second'), join(folder, 'first'));
    await checkWritable(join(folder, 'first'));
    await replaceFile(join(folder, 'first'), 'text');
    expect(readFileSync(join(folder, 'inner', 'b.txt'), 'utf8')).toBe('text');
    expect(lstatSync(join(folder, 'first')).isSymbolicLink()).toBe(true);
    symlinkSync(join('missing', 'c.txt'), join(folder, 'third'));
    await expect(checkWritable(join(folder, 'third'))).rejects.toThrow('there is no such folder');
  });

  it('refuses symbolic links in a circle, and keeps them', async () => {
    symlinkSync('b', join(folder, 'a'));
    symlinkSync('a', join(folder, 'b'));
    for (const save of [checkWritable, (path: string) => replaceFile(path, 'text')])
      await expect(save(join(folder, 'a'))).rejects.toMatchObject({ code: 'io' });
    expect(readdirSync(folder).sort()).toEqual(['a', 'b']);
  });

  it('refuses a name that is too long before any work, not after it', async () => {
    const refused = { code: 'io', message: expect.stringContaining('the name is too long') };
    await expect(checkWritable(join(folder, 'n'.repeat(300)))).rejects.toMatchObject(refused);
  });

  it.skipIf(process.getuid?.() === 0)('refuses a file that must not be written before any work', async () => {
    const file = join(folder, 'kept.txt');
    writeFileSync(file, 'text', { mode: 0o444 });
    await expect(checkWritable(file)).rejects.toThrow('permission denied');
  });

  it.skipIf(process.platform === 'win32')('never takes the place of a pipe or a device', async () => {
    const pipe = join(folder, 'pipe');
    spawnSync('mkfifo', [pipe]);
    const refused = { code: 'io', message: expect.stringContaining('it is not an ordinary file') };
    await expect(checkWritable(pipe)).rejects.toMatchObject(refused);
    await expect(replaceFile(pipe, 'text')).rejects.toMatchObject(refused);
    expect(lstatSync(pipe).isFIFO()).toBe(true);
    expect(readdirSync(folder)).toEqual(['pipe']);
  });

  it.skipIf(!hasDisk)('keeps the old file when the disk is full (needs leave to mount a tmpfs)', async () => {
    const file = join(disk, 'model');
    writeFileSync(file, 'old');
    await expect(replaceFile(file, new Uint8Array(200_000))).rejects.toMatchObject({
      code: 'io',
      message: expect.stringContaining('the disk is full'),
    });
    expect(readFileSync(file, 'utf8')).toBe('old');
    expect(readdirSync(disk)).toEqual(['model']);
    await replaceFile(file, 'new');
    expect(readFileSync(file, 'utf8')).toBe('new');
  });

  it.skipIf(!hasDisk)('keeps the old document when the disk is full, and leaves no half of a new one', () => {
    const file = join(disk, 'this-machine.json');
    storeFile(file, { old: true }, 'calibration');
    expect(() => storeFile(file, { text: 'x'.repeat(200_000) }, 'calibration')).toThrow(
      `calibration cannot be stored at ${file}: the disk is full`,
    );
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ old: true });
    expect(readdirSync(disk)).toEqual(['model', 'this-machine.json']);
    vi.stubEnv('FOVEA_DATA_DIR', disk);
    expect(() => checkDataFolder()).toThrow('bytes left');
  });
});

/** A file that is mounted by itself, as containers mount one, and a disk that can only be read around another. */
const mounted = mkdtempSync(join(tmpdir(), 'fovea-mounted-'));
const mountedFile = join(mounted, 'a.json');
const inFixed = join(mounted, 'fixed', 'a.json');
const outer = join(mounted, 'outer.json');
writeFileSync(mountedFile, '');
writeFileSync(outer, 'old content');
mkdirSync(join(mounted, 'fixed'));
writeFileSync(inFixed, '');
const mount = (...options: string[]) => spawnSync('mount', options).status === 0;
const isMounted =
  mount('--bind', outer, mountedFile) &&
  mount('--bind', join(mounted, 'fixed'), join(mounted, 'fixed')) &&
  mount('--bind', outer, inFixed) &&
  mount('-o', 'remount,bind,ro', join(mounted, 'fixed'));
afterAll(() => {
  for (const path of [inFixed, join(mounted, 'fixed'), mountedFile]) spawnSync('umount', ['-l', path]);
  rmSync(mounted, { recursive: true, force: true });
});

describe.skipIf(!isMounted)('a file that is a mount point (needs leave to mount)', () => {
  beforeEach(() => writeFileSync(outer, 'old content'));

  it.each([
    ['in a folder', mountedFile],
    ['in a folder that can only be read', inFixed],
  ])('%s is written in place, whatever its length', async (_, path) => {
    for (const content of ['longer than the old content', 'short', '']) {
      await checkWritable(path);
      await replaceFile(path, content);
      expect(readFileSync(outer, 'utf8')).toBe(content);
      expect(readdirSync(join(path, '..')).filter((name) => name.startsWith('.'))).toEqual([]);
    }
  });

  it('takes documents of Fovea', () => {
    storeFile(mountedFile, { long: 'x'.repeat(100) }, 'calibration');
    storeFile(mountedFile, { short: 1 }, 'calibration');
    expect(JSON.parse(readFileSync(outer, 'utf8'))).toEqual({ short: 1 });
  });

  it.skipIf(!hasDisk)('keeps its content when the disk is full', async () => {
    const onDisk = join(disk, 'mounted.txt');
    writeFileSync(onDisk, 'old content');
    expect(mount('--bind', onDisk, mountedFile)).toBe(true);
    try {
      const refused = { code: 'io', message: expect.stringContaining('the disk is full') };
      await expect(replaceFile(mountedFile, 'x'.repeat(200_000))).rejects.toMatchObject(refused);
      expect(readFileSync(onDisk, 'utf8')).toBe('old content');
      expect(() => storeFile(mountedFile, { text: 'x'.repeat(200_000) }, 'calibration')).toThrow('full');
      expect(readFileSync(onDisk, 'utf8')).toBe('old content');
    } finally {
      spawnSync('umount', ['-l', mountedFile]);
      rmSync(onDisk);
    }
  });
});

describe.skipIf(process.getuid?.() !== 0)('a file of somebody else (needs to be root)', () => {
  it('stays theirs, and their permissions are kept whatever the mask', async () => {
    const file = join(folder, 'theirs.txt');
    writeFileSync(file, 'old');
    chownSync(file, 1234, 5678);
    chmodSync(file, 0o666);
    await replaceFile(file, 'new');
    const { uid, gid, mode } = statSync(file);
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 1234, gid: 5678, mode: 0o666 });
  });
});

describe('a disk that can only be read', () => {
  const fixed = mkdtempSync(join(tmpdir(), 'fovea-fixed-'));
  const isFixed = spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=64k', 'tmpfs', fixed]).status === 0;
  afterAll(() => {
    if (isFixed) spawnSync('umount', [fixed]);
    rmSync(fixed, { recursive: true, force: true });
  });

  it.skipIf(!isFixed)('is what an error says, in folders that are there and in others', async () => {
    const refused = { code: 'io', message: expect.stringContaining('the disk can only be read') };
    for (const save of [checkWritable, (path: string) => replaceFile(path, 'text')])
      await expect(save(join(fixed, 'a'))).rejects.toMatchObject(refused);
    expect(() => storeFile(join(fixed, 'inner', 'a.json'), {}, 'it')).toThrow(
      `it cannot be stored at ${join(fixed, 'inner', 'a.json')}: cannot make the folder ${join(fixed, 'inner')}: the disk can only be read`,
    );
    for (const folder of [fixed, join(fixed, 'inner')]) {
      vi.stubEnv('FOVEA_DATA_DIR', folder);
      expect(() => checkDataFolder()).toThrow('the disk can only be read');
    }
    expect(diskRefusal(await replaceFile(join(fixed, 'a'), '').catch((error) => error))).toBe('EROFS');
    expect(diskRefusal(new Error('other'))).toBeUndefined();
  });
});
