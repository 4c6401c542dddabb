import { constants } from 'node:fs';
import { access, chmod, type FileHandle, lstat, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { removeAbandoned, temporaryName } from '@fovea/engine/files';
import { moveFile } from './move.js';

/** Documents are saved often, and a folder may hold many files: it is looked through at most once in this time. */
const tidyMs = 60_000;
const tidiedAt = new Map<string, number>();

/** Removes what labs that were killed while they saved have left in a folder. */
function tidy(folder: string): void {
  const now = performance.now();
  if (now - (tidiedAt.get(folder) ?? Number.NEGATIVE_INFINITY) < tidyMs) return;
  for (const [other, at] of tidiedAt) if (now - at >= tidyMs) tidiedAt.delete(other);
  tidiedAt.set(folder, now);
  removeAbandoned(folder);
}

/**
 * Puts a finished temporary file in the place of a file, under that one's permissions; a symbolic link is written
 * through.
 */
export async function putInPlace(temporary: string, file: string): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const old = await stat(target).catch(() => undefined);
  if (old) {
    await access(target, constants.W_OK);
    await chmod(temporary, old.mode & 0o7777);
  }
  await moveFile(temporary, target);
}

/**
 * Saves a file so that it holds either the old bytes or all of the new ones, whatever fails in between: a full
 * disk, a crash, a lost power supply. A symbolic link is written through, unless `replaceLink`, and permissions
 * are kept.
 * @throws the file system's own error; the old file is then untouched and nothing is left behind
 */
export async function saveAtomically(
  file: string,
  data: Buffer | string,
  { replaceLink = false }: { replaceLink?: boolean } = {},
): Promise<void> {
  const target = replaceLink ? file : await realpath(file).catch(() => file);
  const old = await (replaceLink ? lstat(target) : stat(target)).catch(() => undefined);
  const isFile = old?.isFile() ?? false;
  if (isFile) await access(target, constants.W_OK);
  tidy(dirname(target));
  const temporary = temporaryName(target);
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx', isFile ? old!.mode & 0o7777 : 0o666);
    await handle.writeFile(data);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, target);
  } catch (error) {
    await handle?.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}
