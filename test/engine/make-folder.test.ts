import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder } from '../../engine/src/make-folder.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('makeFolder', () => {
  it('makes what is missing and leaves what is there', () => {
    const deep = join(folder, 'a', 'b', 'c');
    makeFolder(deep);
    writeFileSync(join(deep, 'file'), 'x');
    makeFolder(deep);
    expect(statSync(deep).isDirectory()).toBe(true);
    expect(existsSync(join(deep, 'file'))).toBe(true);
  });

  it.skipIf(process.platform === 'win32')(
    'gives those that it makes the permissions asked for, and no others',
    () => {
      const outer = join(folder, 'outer');
      makeFolder(outer, 0o755);
      makeFolder(join(outer, 'inner', 'deep'), 0o700);
      const modes = ['outer', 'outer/inner', 'outer/inner/deep'].map(
        (name) => statSync(join(folder, name)).mode & 0o777,
      );
      expect(modes).toEqual([0o755, 0o700, 0o700]);
    },
  );

  it('says why where a file is in the way', () => {
    writeFileSync(join(folder, 'file'), 'x');
    for (const path of [join(folder, 'file'), join(folder, 'file', 'below')]) {
      expect(() => makeFolder(path)).toThrow(FoveaError);
      expect(() => makeFolder(path)).toThrow(`cannot make the folder ${path}`);
    }
  });

  it.skipIf(!existsSync('/proc/self'))(
    'ends where the system has no room for folders (skipped without /proc)',
    () => {
      expect(() => makeFolder('/proc/fovea')).toThrow('cannot make the folder /proc/fovea');
      expect(() => makeFolder('/proc/fovea/below')).toThrow('cannot make the folder /proc/fovea/below');
    },
  );
});
