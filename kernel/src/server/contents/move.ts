import { cp, link, lstat, rename, rm, unlink } from 'node:fs/promises';
import { temporaryName } from '@fovea/engine/files';

/**
 * Moves a file or folder, also to another disk; links are moved as links. A file that is replaced holds its old bytes
 * or all of the new ones, whatever fails.
 */
export function moveFile(from: string, to: string): Promise<void> {
  return moveBy(rename, from, to);
}

/**
 * Moves a file or folder to a place where nothing is, also to another disk.
 * @throws the file system's own error, `EEXIST` for a file where something has appeared in the meantime: it stays
 */
export function moveToFree(from: string, to: string): Promise<void> {
  return moveBy(renameToFree, from, to);
}

/** Renames, and takes no file's place. A folder never does: only an empty folder gives way to it. */
async function renameToFree(from: string, to: string): Promise<void> {
  if (!(await lstat(from)).isFile()) return rename(from, to);
  try {
    await link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'EXDEV') throw error;
    // Some file systems have no links, and some systems refuse a second name for a stranger's file.
    return rename(from, to);
  }
  try {
    await unlink(from);
  } catch (error) {
    await unlink(to).catch(() => undefined);
    throw error;
  }
}

type Rename = (from: string, to: string) => Promise<void>;

async function moveBy(rename: Rename, from: string, to: string): Promise<void> {
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
