import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { makeFolder } from '@fovea/engine/files';
import { HttpError } from '../http/errors.js';
import { moveFile } from './move.js';
import { MAX_NAME_BYTES } from './paths.js';
import { saveAtomically } from './save.js';

/** As Jupyter, one checkpoint a file, with this fixed name. */
export const CHECKPOINT_ID = 'checkpoint';
/** As Jupyter, the folder beside a file that holds its checkpoint. */
export const CHECKPOINT_FOLDER = '.ipynb_checkpoints';

export interface CheckpointModel {
  readonly id: string;
  readonly last_modified: string;
}

/** `a.txt` becomes `a-checkpoint.txt`; a name that this makes too long is replaced by its hash. */
function checkpointName(name: string): string {
  const extension = extname(name);
  const stem = basename(name, extension);
  const full = `${stem}-checkpoint${extension}`;
  if (Buffer.byteLength(full) <= MAX_NAME_BYTES) return full;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `${hash}-checkpoint${Buffer.byteLength(extension) <= 32 ? extension : ''}`;
}

/**
 * Where a file's checkpoint is or would be. A checkpoint is kept in a folder that the user does not see, which a
 * repository from elsewhere may hold as a link: followed, it would read and overwrite files anywhere.
 * @throws HttpError 403 when the folder is no folder
 */
async function checkpointPlace(file: string): Promise<string> {
  const folder = join(dirname(file), CHECKPOINT_FOLDER);
  const status = await lstat(folder).catch(() => undefined);
  if (status && !status.isDirectory()) {
    throw new HttpError(
      403,
      `Checkpoints are kept in a real folder only, and ${CHECKPOINT_FOLDER} beside ${basename(file)} is ` +
        `${status.isSymbolicLink() ? 'a link' : 'a file'}: remove it, or give it another name`,
    );
  }
  return join(folder, checkpointName(basename(file)));
}

/** The checkpoint of a file, if it has one. */
async function findCheckpoint(file: string): Promise<string | undefined> {
  const place = await checkpointPlace(file).catch(() => undefined);
  const status = place === undefined ? undefined : await lstat(place).catch(() => undefined);
  return status?.isFile() ? place : undefined;
}

/** @throws HttpError 404 when the file has no checkpoint of that id */
async function getCheckpoint(file: string, id: string): Promise<string> {
  const found = id === CHECKPOINT_ID ? await findCheckpoint(file) : undefined;
  if (found === undefined) throw new HttpError(404, `No such checkpoint: ${id}`);
  return found;
}

async function model(checkpoint: string): Promise<CheckpointModel> {
  return { id: CHECKPOINT_ID, last_modified: (await lstat(checkpoint)).mtime.toISOString() };
}

/** The checkpoints of a file: none or one. */
export async function listCheckpoints(file: string): Promise<CheckpointModel[]> {
  await stat(file);
  const found = await findCheckpoint(file);
  return found === undefined ? [] : [await model(found)];
}

/**
 * Keeps a copy of the file as it is on disk, in place of an earlier one.
 * @throws HttpError 400 for what is no file, 403 where the folder of checkpoints is a link
 */
export async function createCheckpoint(file: string): Promise<CheckpointModel> {
  if (!(await stat(file)).isFile()) throw new HttpError(400, 'Only files have checkpoints');
  const checkpoint = await checkpointPlace(file);
  makeFolder(dirname(checkpoint));
  await saveAtomically(checkpoint, await readFile(file), { replaceLink: true });
  return model(checkpoint);
}

/** Brings the file back to its checkpoint. */
export async function restoreCheckpoint(file: string, id: string): Promise<void> {
  const checkpoint = await getCheckpoint(file, id);
  const handle = await open(checkpoint, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    await saveAtomically(file, await handle.readFile());
  } finally {
    await handle.close();
  }
}

/** Removes a checkpoint. */
export async function deleteCheckpoint(file: string, id: string): Promise<void> {
  await rm(await getCheckpoint(file, id));
}

/** Removes what a file of this name left behind: a new one must not go back to the text of another. */
export async function dropCheckpoint(file: string): Promise<void> {
  const found = await findCheckpoint(file);
  if (found !== undefined) await rm(found, { force: true });
}

/**
 * Prepares to take a file's checkpoint along with it.
 * @returns what to call when the file has been moved
 * @throws HttpError 403 where the checkpoint has no place to go
 */
export async function followMove(from: string, to: string): Promise<() => Promise<void>> {
  const checkpoint = await findCheckpoint(from);
  if (checkpoint === undefined) return () => dropCheckpoint(to);
  const target = await checkpointPlace(to);
  return async () => {
    makeFolder(dirname(target));
    await moveFile(checkpoint, target);
  };
}
