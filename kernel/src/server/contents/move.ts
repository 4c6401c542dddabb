import { cp, rename, rm } from 'node:fs/promises';
import { temporaryName } from '@fovea/engine/files';

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
