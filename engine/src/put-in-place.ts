import type { Stats } from 'node:fs';
import { access, constants, type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { temporaryName } from './temporary.js';

/** A file that is a mount point stays where it is; where none can be made beside it, it may be written all the same. */
const IN_PLACE: readonly unknown[] = ['EBUSY', 'EACCES', 'EPERM', 'EROFS'];

/** Whether the system refused to replace a file, which may then be overwritten. */
export const mustOverwrite = (cause: unknown) => IN_PLACE.includes((cause as NodeJS.ErrnoException).code);

/**
 * Gives a file a new content, all at once: it is written beside it, forced to disk and renamed over it, under the old
 * file's permissions and group, and its owner where the system lets us. A file that cannot be renamed over, since it is
 * mounted by itself into a container or its folder cannot be written, is overwritten.
 * @param target the file itself, not a link to it
 * @throws Error as the system says; the old file is then as it was
 */
export async function putContent(target: string, content: Uint8Array | string): Promise<void> {
  const before = await replaceable(target);
  const partial = temporaryName(target);
  let file: FileHandle;
  try {
    file = await open(partial, 'wx', before ? before.mode & 0o7777 : 0o666);
  } catch (cause) {
    if (!before?.isFile() || !mustOverwrite(cause)) throw cause;
    await overwrite(target, content);
    return;
  }
  try {
    await file.writeFile(content);
    await takeOver(file, before);
    await file.sync();
    await file.close();
    await renameOver(partial, target, before, async () => content);
  } catch (cause) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true }).catch(() => undefined);
    throw cause;
  }
}

/**
 * Puts a file that was written bit by bit in the place of another one in the same folder, as `putContent` does.
 * @param partial the finished file; it is gone afterwards
 * @throws Error as the system says; the old file is then as it was, and the finished one still there
 */
export async function putFile(partial: string, target: string): Promise<void> {
  const before = await replaceable(target);
  const file = await open(partial, 'r+');
  try {
    await takeOver(file, before);
    await file.sync();
  } finally {
    await file.close();
  }
  await renameOver(partial, target, before, () => readFile(partial));
}

/** What is to be replaced; undefined where nothing is, or where it goes at this moment. @throws Error when it must not be written */
async function replaceable(target: string): Promise<Stats | undefined> {
  const before = await stat(target).catch(() => undefined);
  try {
    if (before) await access(target, constants.W_OK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    return undefined;
  }
  return before;
}

/** A new file replaces an old one for all who share that: the group may still write it, and the owner owns it. */
async function takeOver(file: FileHandle, before: Stats | undefined): Promise<void> {
  if (!before) return;
  const { uid, gid } = await file.stat();
  if (uid !== before.uid || gid !== before.gid) {
    await file.chown(before.uid, before.gid).catch(() => file.chown(uid, before.gid).catch(() => undefined));
  }
  // Some disks have no permissions.
  await file.chmod(before.mode & 0o7777).catch(() => undefined);
}

async function renameOver(
  partial: string,
  target: string,
  before: Stats | undefined,
  content: () => Promise<Uint8Array | string>,
): Promise<void> {
  try {
    await rename(partial, target);
  } catch (cause) {
    if (!before?.isFile() || !mustOverwrite(cause)) throw cause;
    await overwrite(target, await content());
    await rm(partial, { force: true }).catch(() => undefined);
  }
  await syncFolder(dirname(target));
}

/** Only then is the new name on the disk too. Some systems and disks do not offer this. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/**
 * Writes over a file's own content. What makes it longer is written first, so that a full disk shows before anything old
 * is gone, and what was there is written back when the rest fails.
 */
async function overwrite(target: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const file = await open(target, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
  try {
    const old = await file.readFile();
    try {
      await writeAt(file, bytes.subarray(old.length), old.length);
      await file.sync();
      await writeAt(file, bytes.subarray(0, old.length), 0);
      await file.truncate(bytes.length);
      await file.sync();
    } catch (cause) {
      await file.truncate(old.length).catch(() => undefined);
      await writeAt(file, old, 0).catch(() => undefined);
      throw cause;
    }
  } finally {
    await file.close();
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}
