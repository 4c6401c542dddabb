import { readFileSync } from 'node:fs';
import path from 'node:path';
import { dataFolder, engineVersion, storeFile } from '../../data-folder.js';

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
