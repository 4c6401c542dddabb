import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FileMemo } from '../../../kernel/src/typescript/file-memo.js';
import { KEPT_FOLDERS, settingsOf } from '../../../kernel/src/typescript/project-settings.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-memo-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('what was made of files', () => {
  it('is made once for as long as the file stays as it is', () => {
    const memo = new FileMemo<number>();
    let made = 0;
    const ask = (stamp: string) => memo.get('/a.ts', stamp, () => ++made);
    expect([ask('1'), ask('1'), ask('2'), ask('2'), ask('1')]).toEqual([1, 1, 2, 2, 3]);
  });

  it('is kept when it is undefined, and not when making it failed', () => {
    const memo = new FileMemo<undefined>();
    let tries = 0;
    const ask = (fails: boolean) =>
      memo.get('/a.ts', '1', () => {
        tries++;
        if (fails) throw new Error('unreadable');
        return undefined;
      });
    expect(() => ask(true)).toThrow('unreadable');
    ask(false);
    ask(false);
    expect(tries).toBe(2);
  });

  it('leaves when more files are asked for than are kept, the one used longest ago first', () => {
    const memo = new FileMemo<string>(2);
    const made: string[] = [];
    const ask = (path: string) =>
      memo.get(path, '1', () => {
        made.push(path);
        return path;
      });
    for (const path of ['a', 'b', 'a', 'c', 'a', 'b']) expect(ask(path)).toBe(path);
    expect(made).toEqual(['a', 'b', 'c', 'b']);
  });
});

describe('settings of folders', () => {
  it('are kept for a bounded number of folders, and read again with the same result', () => {
    writeFileSync(join(folder, 'tsconfig.json'), '{ "compilerOptions": { "target": "es2022" } }');
    const first = settingsOf(folder);
    expect(settingsOf(folder)).toBe(first);
    for (let i = 0; i < KEPT_FOLDERS; i++) {
      const other = join(folder, `${i}`);
      mkdirSync(other);
      expect(settingsOf(other).file).toBe(first.file);
    }
    const again = settingsOf(folder);
    expect(again).not.toBe(first);
    expect({ ...again, candidates: undefined, aliasOf: undefined }).toEqual({
      ...first,
      candidates: undefined,
      aliasOf: undefined,
    });
  });
});
