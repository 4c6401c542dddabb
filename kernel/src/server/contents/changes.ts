import { constants } from 'node:fs';
import { cp, lstat, mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { HttpError } from '../http/errors.js';
import { moveCheckpoint } from './checkpoints.js';
import { emptyNotebook, formatNotebook } from './notebook.js';
import type { Place } from './paths.js';

const exists = (file: string): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  );

/** The first of `stem`, `stem1`, `stem2`, … that is free in a folder, extension added. */
async function freeName(folder: string, stem: string, extension: string): Promise<string> {
  for (let number = 0; ; number += 1) {
    const name = `${stem}${number || ''}${extension}`;
    if (!(await exists(join(folder, name)))) return name;
  }
}

/** Creates an untitled file, notebook or folder inside a folder; resolves to its name. */
export async function createUntitled(
  folder: string,
  type: string | undefined,
  extension: string,
): Promise<string> {
  if (type === 'directory') {
    const name = await freeName(folder, 'Untitled Folder', '');
    await mkdir(join(folder, name));
    return name;
  }
  const isNotebook = type === 'notebook' || extension === '.ipynb';
  const name = await freeName(
    folder,
    isNotebook ? 'Untitled' : 'untitled',
    isNotebook ? '.ipynb' : extension || '.txt',
  );
  await writeFile(join(folder, name), isNotebook ? formatNotebook(emptyNotebook()) : '', { flag: 'wx' });
  return name;
}

/** Copies a file or folder into a folder under a free name; resolves to that name. */
export async function copyInto(folder: string, source: string): Promise<string> {
  const extension = (await stat(source)).isDirectory() ? '' : extname(source);
  const stem = basename(source, extension).replace(/-Copy\d*$/, '');
  let name = basename(source);
  for (let number = 1; await exists(join(folder, name)); number += 1) {
    name = `${stem}-Copy${number}${extension}`;
  }
  await cp(source, join(folder, name), {
    recursive: true,
    errorOnExist: true,
    force: false,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
  });
  return name;
}

/**
 * Renames or moves a file or folder, its checkpoint with it.
 * @throws HttpError 409 when something else is at the new place
 */
export async function renamePlace(from: Place, to: Place): Promise<void> {
  if (from.api === '' || to.api === '') throw new HttpError(400, 'The root cannot be renamed');
  const source = await lstat(from.file);
  const target = await lstat(to.file).catch(() => undefined);
  if (target && target.ino !== source.ino) throw new HttpError(409, `Exists already: ${to.api}`);
  await rename(from.file, to.file);
  if (source.isFile()) await moveCheckpoint(from.file, to.file);
}

/**
 * Deletes a file, or a folder that holds nothing but checkpoints.
 * @throws HttpError 400 for the root and for folders that are not empty
 */
export async function deletePlace(place: Place): Promise<void> {
  if (place.api === '') throw new HttpError(400, 'The root cannot be deleted');
  const status = await lstat(place.file);
  if (!status.isDirectory()) {
    await rm(place.file);
    return;
  }
  const names = await readdir(place.file);
  if (names.some((name) => name !== '.ipynb_checkpoints')) {
    throw new HttpError(400, `The directory ${place.api} is not empty`);
  }
  await rm(join(place.file, '.ipynb_checkpoints'), { recursive: true, force: true });
  await rmdir(place.file);
}
