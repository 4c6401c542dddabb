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
    mkdirSync(path, { recursive: true });
  } catch (error) {
    const cause = refusedAbove(path) ?? error;
    throw new FoveaError('io', `cannot make the folder ${path}: ${writeRefusal(cause)}`, { cause });
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
