import { access, constants, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FoveaError } from './errors.js';
import { refusal } from './file.js';

/**
 * Replaces a file all at once: the content is written beside it, forced to disk, and renamed over it. When
 * anything fails (a full disk, say) the old file is as it was.
 * @throws FoveaError `io` naming the file and the reason
 */
export async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const partial = `${path}.partial`;
  try {
    const file = await open(partial, 'w');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => undefined);
    const { code, message } = cause as NodeJS.ErrnoException;
    const said = code === 'ENOSPC' ? 'the disk is full' : message;
    throw new FoveaError('io', `cannot save ${path}: ${said}; what was there before is kept`, { cause });
  }
}

/**
 * Finds out before long work whether its result can be saved; nothing is written.
 * @throws FoveaError `io` when the path is a folder, or is in one that is missing or not accessible
 */
export async function checkWritable(path: string): Promise<void> {
  const folder = dirname(path);
  const refused = (why: string, cause?: unknown) =>
    new FoveaError('io', `cannot save ${path}: ${why}`, { cause });
  await access(folder, constants.W_OK | constants.X_OK).catch((cause) => {
    throw refused(`the folder ${folder}: ${refusal(cause, 'folder')}`, cause);
  });
  if (!(await stat(folder)).isDirectory()) throw refused(`${folder} is not a folder`);
  const before = await stat(path).catch(() => undefined);
  if (before?.isDirectory()) throw refused('it is a folder');
}
