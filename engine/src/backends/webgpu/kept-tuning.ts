import { readFileSync } from 'node:fs';
import path from 'node:path';
import { dataFolder, engineVersion, storeFile } from '../../data-folder.js';
import { awaitLock, underLock } from '../../lock.js';
import { processSpace } from '../../running-process.js';

/** Path of the file that holds what was timed on this user's GPUs. */
const fileOf = () => path.join(dataFolder(), 'webgpu-tuning.json');

/** What earlier processes timed with this version of the engine; undefined when there is nothing of use. */
export function readTuning(): unknown {
  try {
    const { engine, tuning } = JSON.parse(readFileSync(fileOf(), 'utf8'));
    return engine === engineVersion ? tuning : undefined;
  } catch {
    // A missing or broken file costs timing again, and is then written over.
    return undefined;
  }
}

/**
 * Keeps it for processes to come, where the user's folder can be written. One changes it at a time, also of several
 * machines that share the folder: what another one kept meanwhile would be lost.
 * @param change what is kept by now becomes what is to be kept
 */
export async function changeTuning(change: (kept: unknown) => object): Promise<void> {
  const file = fileOf();
  const what = 'what was timed on the GPU';
  const store = async () => storeFile(file, { engine: engineVersion, tuning: change(readTuning()) }, what);
  // Where it cannot be written it is timed again in the next process.
  await underLock(`${file}.lock`, what, store, { wait: true }).catch(() => undefined);
}

/**
 * Times kernels while no other session does, of this process or another one of the user: each would make the other's
 * kernels look slow, by chance, for good.
 */
export async function tuneAlone(work: () => Promise<void>): Promise<void> {
  // Machines that share the folder have GPUs of their own.
  const lock = path.join(dataFolder(), `webgpu-tuning-${processSpace}.lock`);
  // Where it cannot be written nothing is kept either.
  const release = await awaitLock(lock).catch(() => undefined);
  try {
    await work();
  } finally {
    await release?.();
  }
}
