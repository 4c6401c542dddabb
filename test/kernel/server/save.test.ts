import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporaryName } from '@fovea/engine/files';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { saveAtomically } from '../../../kernel/src/server/contents/save.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-save-'));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

/** What a process that has ended left while it saved. */
function leave(): void {
  const { pid } = spawnSync(process.execPath, ['--version']);
  writeFileSync(temporaryName(join(folder, 'a.ipynb')).replace(`-${process.pid}-`, `-${pid}-`), 'half');
}

describe('saving a document', () => {
  it('removes what a killed lab has left, and looks for more after a minute', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const save = () => saveAtomically(join(folder, 'a.ipynb'), '{}');
    leave();
    await save();
    expect(readdirSync(folder)).toEqual(['a.ipynb']);
    leave();
    await save();
    expect(readdirSync(folder)).toHaveLength(2);
    vi.advanceTimersByTime(60_000);
    await save();
    expect(readdirSync(folder)).toEqual(['a.ipynb']);
  });
});
