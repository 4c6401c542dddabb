import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { checkWritable, replaceFile } from '../../engine/src/replace-file.js';

const base = mkdtempSync(join(tmpdir(), 'fovea-replace-'));
const disk = mkdtempSync(join(tmpdir(), 'fovea-disk-'));
const hasDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (hasDisk) spawnSync('umount', [disk]);
  for (const folder of [base, disk]) rmSync(folder, { recursive: true, force: true });
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(base, 'case-'));
});

describe('replaceFile', () => {
  it('leaves the whole content of one of two writers, and nothing else', async () => {
    const file = join(folder, 'network.safetensors');
    const contents = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(3_000_000));
    await Promise.all(contents.map((content) => replaceFile(file, content)));
    expect(contents).toContain(readFileSync(file, 'utf8'));
    expect(readdirSync(folder)).toEqual(['network.safetensors']);
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
});
