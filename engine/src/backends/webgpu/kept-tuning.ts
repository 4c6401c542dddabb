import { readFileSync } from 'node:fs';
import path from 'node:path';
import { dataFolder, engineVersion, storeFile } from '../../data-folder.js';
import { awaitLock } from '../../lock.js';
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

/** Keeps it for processes to come, where the user's folder can be written. */
export function writeTuning(tuning: object): void {
  try {
    storeFile(fileOf(), { engine: engineVersion, tuning }, 'what was timed on the GPU');
  } catch {
    // Then it is timed again in the next process.
  }
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
