import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/**
 * Gives the tests of a file their own data folder: `FOVEA_DATA_DIR` is `data` in the temporary folder returned, which
 * is removed after the tests.
 */
export function useDataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-data-'));
  const before = process.env.FOVEA_DATA_DIR;
  beforeAll(() => {
    process.env.FOVEA_DATA_DIR = join(folder, 'data');
  });
  afterAll(() => {
    if (before === undefined) delete process.env.FOVEA_DATA_DIR;
    else process.env.FOVEA_DATA_DIR = before;
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
