import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FoveaError } from './errors.js';
import { writeRefusal } from './file.js';

/**
 * Makes a folder, and those above it that are missing.
 * @throws FoveaError `io` saying why it cannot be made
 */
export function makeFolder(path: string): void {
  try {
    makeMissing(resolve(path));
  } catch (error) {
    const cause = refusedAbove(path) ?? error;
    throw new FoveaError('io', `cannot make the folder ${path}: ${writeRefusal(cause)}`, { cause });
  }
}

/** One by one: Node's `recursive` never returns where the system refuses a folder below an existing one as not found. */
function makeMissing(path: string): void {
  if (existsSync(path)) {
    // Refused where it is not a folder.
    mkdirSync(path, { recursive: true });
    return;
  }
  makeMissing(dirname(path));
  try {
    mkdirSync(path);
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
