import { randomUUID } from 'node:crypto';
import { cp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Where a file is written before it takes its place; hidden, and in the same folder, hence on the same disk. The
 * name does not grow with the file's, which may be as long as a name can be.
 */
export function temporaryName(file: string): string {
  return join(dirname(file), `.~fovea-${randomUUID()}`);
}

/**
 * Moves a file or folder, also to another disk; links are moved as links. A file that is replaced holds its old bytes
 * or all of the new ones, whatever fails.
 */
export async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const copy = temporaryName(to);
    try {
      await cp(from, copy, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
      await rename(copy, to);
    } catch (reason) {
      await rm(copy, { recursive: true, force: true }).catch(() => undefined);
      throw reason;
    }
    await rm(from, { recursive: true });
  }
}
