// @module-tag process
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockHolder, processSpace, takeLock } from '@fovea/engine/files';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '../../../kernel/src/sweep/embedded/journal.js';
import { sha256Of } from '../../../kernel/src/sweep/point.js';
import { storedFolder } from '../../../kernel/src/sweep/storage/folders.js';
import { fovea } from '../cli/run-fovea.js';

/** A small disk of one's own, where the system lets us make one. */
const disk = mkdtempSync(join(tmpdir(), 'fovea-disk-'));
const hasDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (hasDisk) spawnSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
});

function fill(): void {
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(join(disk, 'filler'), new Uint8Array(bavail * bsize));
  expect(statfsSync(disk).bavail).toBe(0);
}

describe.skipIf(!hasDisk)('a full disk (needs leave to mount a tmpfs)', () => {
  const sweeps = join(disk, 'sweeps');
  const lock = join(sweeps, 'any.lock');
  const dataFolder = process.env.FOVEA_DATA_DIR;
  afterAll(() => {
    if (dataFolder === undefined) delete process.env.FOVEA_DATA_DIR;
    else process.env.FOVEA_DATA_DIR = dataFolder;
  });
  beforeEach(() => {
    process.env.FOVEA_DATA_DIR = disk;
    for (const name of readdirSync(disk)) rmSync(join(disk, name), { recursive: true });
    mkdirSync(sweeps);
  });

  it('has its sweeps and what they have stored removed', async () => {
    for (const name of ['first', 'second']) {
      const journal = await Journal.open(join(sweeps, `${name}.jsonl`), name);
      await journal.describe(name, { name, networks: ['resnet18'] }, []);
      await journal.close();
    }
    const networks = storedFolder(disk, 'networks');
    mkdirSync(networks, { recursive: true });
    writeFileSync(join(networks, `${sha256Of('a')}.safetensors`), 'a');
    fill();
    expect(await fovea('sweeps', 'remove', 'first')).toMatchObject({ code: 0 });
    rmSync(join(disk, 'filler'));
    fill();
    expect(await fovea('sweeps', 'prune', '--yes')).toMatchObject({ code: 0 });
    expect(readdirSync(networks)).toEqual([]);
    expect(readdirSync(sweeps).filter((name) => !lstatSync(join(sweeps, name)).isDirectory())).toEqual([
      'second.jsonl',
    ]);
  });

  it('takes no lock but for work that makes room, which is respected and given back as any other', async () => {
    fill();
    await expect(takeLock(lock, 'it')).rejects.toThrow('the disk is full');
    const release = await takeLock(lock, 'it', { withoutRoom: true, beatMs: 20 });
    expect(readlinkSync(lock)).toContain(`${process.pid} ${processSpace}`);
    expect(await lockHolder(lock)).toEqual({ pid: process.pid, isElsewhere: false });
    const before = lstatSync(lock).mtimeMs;
    await expect.poll(() => lstatSync(lock).mtimeMs).toBeGreaterThan(before);
    for (const withoutRoom of [true, false]) {
      // With room again, another one would write a file.
      if (!withoutRoom) rmSync(join(disk, 'filler'));
      await expect(takeLock(lock, 'it', { withoutRoom })).rejects.toThrow(
        `it is under way in process ${process.pid}; one at a time is accepted`,
      );
    }
    await release();
    expect(readdirSync(sweeps)).toEqual([]);
  });

  it('keeps no lock of a process that was killed', async () => {
    fill();
    const program = `
      const { takeLock } = await import(${JSON.stringify(import.meta.resolve('@fovea/engine/files'))});
      await takeLock(${JSON.stringify(lock)}, 'it', { withoutRoom: true });
      process.kill(process.pid, 'SIGKILL');`;
    spawnSync(process.execPath, ['--input-type=module', '-e', program]);
    expect([existsSync(lock), lstatSync(lock).isSymbolicLink()]).toEqual([false, true]);
    await (await takeLock(lock, 'it', { withoutRoom: true }))();
    expect(readdirSync(sweeps)).toEqual([]);
  });
});
