import {
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { access, constants, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FoveaError } from './errors.js';
import { refusal } from './file.js';
import { mustOverwrite, putContent } from './put-in-place.js';
import { removeAbandoned, temporaryName } from './temporary.js';

/**
 * Replaces a file all at once, as `putContent` does: the content is written beside it under a name of its own and renamed
 * over it. When anything fails (a full disk, say) the old file is as it was, and two writers at once leave the whole
 * content of one of them. What a process that was killed has left behind is removed with a later write. A symbolic link is
 * written through, also one to a file that is still to be made, and permissions are kept.
 * @throws FoveaError `io` naming the file and the reason, or that it is no ordinary file
 */
export async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  await refuseSpecial(path);
  const target = await targetOf(path);
  removeAbandoned(dirname(target));
  try {
    await putContent(target, content);
  } catch (cause) {
    // A new file beside the target is what was opened: when there is none, its folder is missing.
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing
      ? `the folder ${dirname(target)}: ${refusal(cause, 'folder')}`
      : `${refusal(cause, 'file')}; what was there before is kept`;
    throw new FoveaError('io', `cannot save ${path}: ${why}`, { cause });
  }
}

/**
 * The same without waiting, for small documents of Fovea's own.
 * @param mode permissions, whatever the old file's are
 * @throws Error as the system says; the old file is then as it was
 */
export function replaceFileSync(path: string, content: string, mode = 0o666): void {
  const target = realpathIfThere(path);
  removeAbandoned(dirname(target));
  const partial = temporaryName(target);
  try {
    writeFileSync(partial, content, { flush: true, mode });
    renameSync(partial, target);
  } catch (cause) {
    rmSync(partial, { force: true });
    if (!mustOverwrite(cause) || !existsSync(target)) throw cause;
    overwriteSync(target, content);
  }
}

function realpathIfThere(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** As `overwrite` does, for documents that are small. */
function overwriteSync(target: string, content: string): void {
  const old = readFileSync(target);
  try {
    writeFileSync(target, content, { flag: 'r+', flush: true });
    truncateSync(target, Buffer.byteLength(content));
  } catch (cause) {
    writeFileSync(target, old, { flag: 'r+' });
    truncateSync(target, old.length);
    throw cause;
  }
}

/** As many symbolic links in a row as Linux follows. */
const MOST_LINKS = 40;

/**
 * Where the content of a path is, or will be: the end of its symbolic links, which need not exist.
 * @throws FoveaError `io` for links that lead nowhere but to each other
 */
export async function targetOf(path: string): Promise<string> {
  const existing = await realpath(path).catch(() => undefined);
  if (existing !== undefined) return existing;
  let target = path;
  for (let followed = 0; followed <= MOST_LINKS; followed++) {
    const link = await readlink(target).catch(() => undefined);
    if (link === undefined) return target;
    const folder = dirname(target);
    target = resolve(await realpath(folder).catch(() => folder), link);
  }
  throw new FoveaError('io', `cannot save ${path}: more than ${MOST_LINKS} symbolic links follow each other`);
}

/** A device or a pipe must not be renamed over: that takes it away from everybody on the machine. */
async function refuseSpecial(path: string): Promise<void> {
  const before = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw new FoveaError('io', `cannot save ${path}: ${refusal(cause, 'file')}`, { cause });
  });
  if (!before || before.isFile()) return;
  throw new FoveaError(
    'io',
    `cannot save ${path}: ${before.isDirectory() ? 'it is a folder' : 'it is not an ordinary file'}`,
  );
}

/**
 * Finds out before long work whether its result can be saved; nothing is written.
 * @throws FoveaError `io` when the path is a folder, no ordinary file or one that must not be written, has too long a name, or is
 *   in a folder that is missing or not accessible
 */
export async function checkWritable(path: string): Promise<void> {
  const target = await targetOf(path);
  const folder = dirname(target);
  const refused = (why: string, cause?: unknown) =>
    new FoveaError('io', `cannot save ${path}: ${why}`, { cause });
  // A file that is there may be written where its folder may not.
  if (!(await stat(target).catch(() => undefined))?.isFile()) {
    await access(folder, constants.W_OK | constants.X_OK).catch((cause) => {
      throw refused(`the folder ${folder}: ${refusal(cause, 'folder')}`, cause);
    });
    if (!(await stat(folder)).isDirectory()) throw refused(`${folder} is not a folder`);
  }
  await refuseSpecial(path);
  await access(target, constants.W_OK).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw refused(refusal(cause, 'file'), cause);
  });
}
