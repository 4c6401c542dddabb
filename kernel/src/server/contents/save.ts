import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Where a file is written before it takes its place; hidden, and in the same folder, hence on the same disk. */
function temporaryName(file: string): string {
  return join(dirname(file), `.~${randomUUID().slice(0, 8)}-${basename(file).slice(0, 200)}`);
}

/**
 * Saves a file so that it holds either the old bytes or all of the new ones, whatever fails in between: a full
 * disk, a crash, a lost power supply. A symbolic link is written through, and permissions are kept.
 * @throws the file system's own error; the old file is then untouched and nothing is left behind
 */
export async function saveAtomically(file: string, data: Buffer | string): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const old = await stat(target).catch(() => undefined);
  if (old) await access(target, constants.W_OK);
  const temporary = temporaryName(target);
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx', old ? old.mode & 0o7777 : 0o666);
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
