import { open, rename, rm } from 'node:fs/promises';
import { FoveaError } from './errors.js';

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
