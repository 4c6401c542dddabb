import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { storeFile } from '../../engine/src/data-folder.js';
import { replaceFile } from '../../engine/src/replace-file.js';
import { isRunning, processSpace, startOf } from '../../engine/src/running-process.js';
import { removeAbandoned, temporaryName } from '../../engine/src/temporary.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-temporary-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A name as another process makes it. */
const nameOf = (space: string, pid: number) =>
  basename(temporaryName(join(folder, 'a')))
    .replace(processSpace, space)
    .replace(`-${process.pid}-`, `-${pid}-`);

/** And an hour more. */
const dayMs = 25 * 3600_000;

/** The number of a process that has ended. */
const ended = () => spawnSync(process.execPath, ['--version']).pid;

describe('temporary files', () => {
  it('are in the folder of their target, each under a name of its own', () => {
    const [one, other] = [temporaryName(join(folder, 'n'.repeat(250))), temporaryName(join(folder, 'a'))];
    expect(dirname(one)).toBe(folder);
    expect(one).not.toBe(other);
    writeFileSync(one, '');
    expect(temporaryName(join(folder, 'a'), '.safetensors')).toMatch(/\.safetensors$/);
  });

  it('go with the next write, once the process that made them has ended', async () => {
    for (const write of [replaceFile, async (path: string) => storeFile(path, {}, 'a document')]) {
      writeFileSync(join(folder, nameOf(processSpace, ended())), 'half');
      mkdirSync(join(folder, nameOf(processSpace, ended()), 'inner'), { recursive: true });
      await write(join(folder, 'a.json'), '{}');
      expect(readdirSync(folder)).toEqual(['a.json']);
    }
  });

  it('stay while somebody may write them: here as long as a process runs, elsewhere for a day', () => {
    const here = nameOf(processSpace, process.pid);
    // As earlier versions name them.
    const earlier = here.replace(/-\d*\.(?=[0-9a-f]{8}-)/, '-');
    expect(earlier).not.toBe(here);
    const elsewhere = [nameOf('0123456789abcdef', ended()), '.~fovea-b6a1a3a8-6d7c-4b8a-8f5e-2f0e5b1c9d10'];
    const names = [here, earlier, ...elsewhere, "somebody's"].sort();
    for (const name of names) writeFileSync(join(folder, name), '');
    removeAbandoned(folder);
    expect(readdirSync(folder)).toEqual(names);
    // Copies have the times of their originals; when the copy was made is another one.
    const before = Date.now() / 1000 - 25 * 3600;
    for (const name of names) utimesSync(join(folder, name), before, before);
    removeAbandoned(folder);
    expect(readdirSync(folder)).toEqual(names);
    removeAbandoned(folder, Date.now() + dayMs);
    expect(readdirSync(folder)).toEqual([here, earlier, "somebody's"].sort());
  });

  it("stay while another machine writes them, whatever this one's clock shows", () => {
    const name = nameOf('0123456789abcdef', ended());
    writeFileSync(join(folder, name), 'half');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 400 * dayMs });
    try {
      removeAbandoned(folder);
    } finally {
      vi.useRealTimers();
    }
    expect(readdirSync(folder)).toEqual([name]);
  });

  it('stay as a whole while another machine writes anything in them', () => {
    const name = nameOf('0123456789abcdef', ended());
    const inner = join(folder, name, 'a', 'b');
    mkdirSync(inner, { recursive: true });
    writeFileSync(join(inner, 'c'), '');
    const later = Date.now() / 1000 + 10 * 3600;
    utimesSync(join(inner, 'c'), later, later);
    removeAbandoned(folder, Date.now() + dayMs);
    expect(readdirSync(folder)).toEqual([name]);
    removeAbandoned(folder, Date.now() + 2 * dayMs);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.skipIf(startOf(process.pid) === undefined)(
    'go when another process has the number of the one that made them',
    () => {
      const own = startOf(process.pid)!;
      writeFileSync(join(folder, nameOf(processSpace, process.pid).replace(`-${own}.`, '-1.')), '');
      removeAbandoned(folder);
      expect(readdirSync(folder)).toEqual([]);
    },
  );
});

describe('the space that numbers of processes count in', () => {
  /** As a new process finds it to which the machine has another identity. */
  const spaceWith = async (machine: string) => {
    vi.resetModules();
    vi.doMock(import('node:fs'), async (original) => {
      const fs = await original();
      const readFileSync = ((path: string, encoding: 'utf8') =>
        path === '/etc/machine-id' ? machine : fs.readFileSync(path, encoding)) as typeof fs.readFileSync;
      return { ...fs, readFileSync };
    });
    try {
      return (await import('../../engine/src/running-process.js')).processSpace;
    } finally {
      vi.doUnmock('node:fs');
      vi.resetModules();
    }
  };

  it('is that of one machine, also where others have its name', async () => {
    const [own, again, other] = [await spaceWith('a\n'), await spaceWith('a\n'), await spaceWith('b\n')];
    expect(own).toMatch(/^[0-9a-f]{16}$/);
    expect(again).toBe(own);
    expect(other).not.toBe(own);
  });
});

describe('a running process', () => {
  it('is one with that number, and no group of them', () => {
    expect([process.pid, 0, -1, 1.5, Number.NaN, ended()].map(isRunning)).toEqual([
      true,
      ...Array(5).fill(false),
    ]);
  });

  it.skipIf(process.platform !== 'linux')('has a start that tells it from others', () => {
    expect(startOf(process.pid)).toMatch(/^\d+$/);
    expect(startOf(process.pid)).toBe(startOf(process.pid));
    expect(startOf(process.pid)).not.toBe(startOf(1));
    expect(startOf(ended())).toBeUndefined();
  });
});
