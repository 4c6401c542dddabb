// biome-ignore lint/style/noRestrictedImports: the one place that makes folders
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FoveaError } from './errors.js';
import { writeRefusal } from './file.js';

/**
 * Makes a folder, and those above it that are missing.
 * @param mode permissions of those that are made; those that are there keep theirs
 * @throws FoveaError `io` saying why it cannot be made
 */
export function makeFolder(path: string, mode?: number): void {
  try {
    makeMissing(resolve(path), mode);
  } catch (error) {
    const cause = refusedAbove(path) ?? error;
    throw new FoveaError('io', `cannot make the folder ${path}: ${writeRefusal(cause)}`, { cause });
  }
}

/** One by one: Node's `recursive` never returns where the system refuses a folder below an existing one as not found. */
function makeMissing(path: string, mode: number | undefined): void {
  if (existsSync(path)) {
    // Refused where it is not a folder.
    mkdirSync(path, { recursive: true });
    return;
  }
  makeMissing(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Node takes a disk that can only be read for one without the folder above; what refuses is the nearest that is there. */
function refusedAbove(path: string): unknown {
  let above = resolve(path);
  while (!existsSync(above) && dirname(above) !== above) above = dirname(above);
  try {
    accessSync(above, constants.W_OK);
    return undefined;
  } catch (cause) {
    return cause;
  }
}
