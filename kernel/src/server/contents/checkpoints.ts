import { copyFile, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { HttpError } from '../http/errors.js';
import { saveAtomically } from './save.js';

/** As Jupyter, one checkpoint a file, with this fixed name. */
export const CHECKPOINT_ID = 'checkpoint';

export interface CheckpointModel {
  readonly id: string;
  readonly last_modified: string;
}

function checkpointFile(file: string): string {
  const extension = extname(file);
  const name = `${basename(file, extension)}-checkpoint${extension}`;
  return join(dirname(file), '.ipynb_checkpoints', name);
}

function checkId(id: string): void {
  if (id !== CHECKPOINT_ID) throw new HttpError(404, `No such checkpoint: ${id}`);
}

async function model(checkpoint: string): Promise<CheckpointModel> {
  return { id: CHECKPOINT_ID, last_modified: (await stat(checkpoint)).mtime.toISOString() };
}

/** The checkpoints of a file: none or one. */
export async function listCheckpoints(file: string): Promise<CheckpointModel[]> {
  await stat(file);
  const found = await model(checkpointFile(file)).catch(() => undefined);
  return found ? [found] : [];
}

/** Keeps a copy of the file as it is on disk, in place of an earlier one. */
export async function createCheckpoint(file: string): Promise<CheckpointModel> {
  if (!(await stat(file)).isFile()) throw new HttpError(400, 'Only files have checkpoints');
  const checkpoint = checkpointFile(file);
  await mkdir(dirname(checkpoint), { recursive: true });
  await saveAtomically(checkpoint, await readFile(file));
  return model(checkpoint);
}

/** Brings the file back to its checkpoint. */
export async function restoreCheckpoint(file: string, id: string): Promise<void> {
  checkId(id);
  await saveAtomically(file, await readFile(checkpointFile(file)));
}

/** Removes a checkpoint. */
export async function deleteCheckpoint(file: string, id: string): Promise<void> {
  checkId(id);
  await rm(checkpointFile(file));
}

/** Takes a renamed file's checkpoint along. */
export async function moveCheckpoint(from: string, to: string): Promise<void> {
  const target = checkpointFile(to);
  try {
    await stat(checkpointFile(from));
    await mkdir(dirname(target), { recursive: true });
    await rename(checkpointFile(from), target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EXDEV') await copyFile(checkpointFile(from), target);
    else if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
