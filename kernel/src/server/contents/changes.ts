import { constants } from 'node:fs';
// biome-ignore lint/style/noRestrictedImports: makes one folder that must not be there yet
import { access, chmod, cp, lstat, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import trash from 'trash';
import { HttpError } from '../http/errors.js';
import { dropCheckpoint, followMove } from './checkpoints.js';
import { moveFile, moveToFree } from './move.js';
import { emptyNotebook, formatNotebook } from './notebook.js';
import { checkName, exists, type Place } from './paths.js';

/**
 * Stem and suffix of a name as Jupyter numbers names: `a.tar.gz` goes on as `a-Copy1.tar.gz`, and of notebooks
 * only the last dot counts.
 */
function splitName(name: string): readonly [stem: string, suffix: string] {
  const at = name.endsWith('.ipynb') ? name.lastIndexOf('.') : name.indexOf('.', 1);
  return at < 0 ? [name, ''] : [name.slice(0, at), name.slice(at)];
}

/**
 * Creates something under the first name that is free: `stem`, `stem` + `insert` + `1`, …
 * @returns the name
 */
async function underFreeName(
  folder: string,
  [stem, suffix]: readonly [string, string],
  insert: string,
  create: (file: string) => Promise<unknown>,
): Promise<string> {
  for (let number = 0; ; number += 1) {
    const name = `${stem}${number === 0 ? '' : `${insert}${number}`}${suffix}`;
    checkName(name);
    const file = join(folder, name);
    if (await exists(file)) continue;
    try {
      await create(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    await dropCheckpoint(file);
    return name;
  }
}

/**
 * Writes a file that must not exist yet.
 * @throws the file system's own error; what a full disk took of the file is removed
 */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') await rm(file, { force: true });
    throw error;
  }
}

/** Creates an untitled file, notebook or folder inside a folder; resolves to its name. */
export function createUntitled(folder: string, type: string | undefined, extension: string): Promise<string> {
  if (type === 'directory') return underFreeName(folder, ['Untitled Folder', ''], ' ', (file) => mkdir(file));
  if (type === 'notebook' || extension === '.ipynb') {
    const text = formatNotebook(emptyNotebook());
    return underFreeName(folder, ['Untitled', '.ipynb'], '', (file) => writeNew(file, text));
  }
  return underFreeName(folder, ['untitled', extension || '.txt'], '', (file) => writeNew(file, ''));
}

/** Whether a path on disk is a folder or anything inside it, links resolved. */
const isWithin = (file: string, folder: string): boolean => file === folder || file.startsWith(folder + sep);

/**
 * Copies a file or folder into a folder under a free name; resolves to that name.
 * @throws HttpError 400 for a folder that would be copied into itself
 */
export async function copyInto(folder: string, source: Place): Promise<string> {
  const real = await realpath(source.file);
  const status = await lstat(real);
  const isFolder = status.isDirectory();
  if (isFolder && isWithin(await realpath(folder), real)) {
    throw new HttpError(400, `The directory ${source.api} cannot be copied into itself`);
  }
  const name = source.api.split('/').at(-1)!;
  const [stem, suffix] = isFolder ? [name, ''] : splitName(name);
  return underFreeName(folder, [stem.replace(/-Copy\d*$/, ''), suffix], '-Copy', async (file) => {
    // Another copy may have found the same name free: the one that makes it has it.
    if (isFolder) await mkdir(file);
    const mode = constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL;
    try {
      await cp(real, file, { recursive: true, verbatimSymlinks: true, mode });
      if (isFolder) await chmod(file, status.mode & 0o7777);
    } catch (error) {
      const isOthers = !isFolder && (error as NodeJS.ErrnoException).code === 'EEXIST';
      if (!isOthers) await rm(file, { recursive: true, force: true });
      throw error;
    }
  });
}

const existsAlready = ({ api }: Place) => new HttpError(409, `Exists already: ${api}`);

/**
 * Renames or moves a file or folder, its checkpoint with it.
 * @throws HttpError 409 when something else is at the new place, 404 when its folder is missing, 400 for a folder that
 *   would move into itself
 */
export async function renamePlace(from: Place, to: Place): Promise<void> {
  if (from.api === '' || to.api === '') throw new HttpError(400, 'The root cannot be renamed');
  if (from.api === to.api) return;
  const source = await lstat(from.file);
  if (isWithin(to.file, from.file)) {
    throw new HttpError(400, `${from.api} cannot be moved into itself`);
  }
  const target = await lstat(to.file).catch(() => undefined);
  // On a disk that takes `A` and `a` for one name, the file itself is at its new place already.
  const isItself =
    target?.ino === source.ino &&
    target.dev === source.dev &&
    from.api.toLowerCase() === to.api.toLowerCase();
  if (target && !isItself) throw existsAlready(to);
  // The system would not say which of the two is missing.
  if (!(await exists(dirname(to.file))))
    throw new HttpError(404, `No such directory: ${posix.dirname(to.api)}`);
  const follow = source.isDirectory() ? undefined : await followMove(from.file, to.file);
  // Another request, or a program, may have put something there since it was looked at.
  await (isItself ? moveFile : moveToFree)(from.file, to.file).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? existsAlready(to) : error;
  });
  await follow?.();
}

/**
 * Deletes a file, or a folder with all that is in it.
 * @param toTrash moves it to the trash of the system instead of deleting it permanently
 * @throws HttpError 400 for the root; 500 when there is no trash for it, and it was left as it is
 */
export async function deletePlace(place: Place, toTrash: boolean): Promise<void> {
  if (place.api === '') throw new HttpError(400, 'The root cannot be deleted');
  const status = await lstat(place.file);
  if (toTrash) {
    // Where the folder can only be read there is nothing that a trash could change, so that is what is said.
    await access(dirname(place.file), constants.W_OK);
    await trash(place.file, { glob: false }).catch((cause: unknown) => {
      const advice = 'it was not deleted; fovea lab --no-trash deletes permanently';
      throw new HttpError(500, `${place.api} cannot be moved to the trash: ${advice}`, null, { cause });
    });
  } else {
    await rm(place.file, { recursive: true });
  }
  if (!status.isDirectory()) await dropCheckpoint(place.file);
}
