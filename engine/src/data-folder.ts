import { accessSync, constants, readFileSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { FoveaError } from './errors.js';
import { writeRefusal } from './file.js';
import { homeFolder } from './home-folder.js';
import { makeFolder } from './make-folder.js';
import { replaceFileSync } from './replace-file.js';

/** Folder of a user's Fovea files: `FOVEA_DATA_DIR`, or the platform's own place for application data. */
export function dataFolder(): string {
  const { FOVEA_DATA_DIR, XDG_DATA_HOME, APPDATA } = process.env;
  if (FOVEA_DATA_DIR) return FOVEA_DATA_DIR;
  if (process.platform === 'win32' && APPDATA) return path.join(APPDATA, 'fovea');
  if (process.platform === 'darwin')
    return path.join(homeFolder(), 'Library', 'Application Support', 'fovea');
  return path.join(XDG_DATA_HOME || path.join(homeFolder(), '.local', 'share'), 'fovea');
}

/** More than any document has that is kept in such a folder. */
const leastBytes = 2 ** 20;

/**
 * Finds out before long work whether its result can be kept in the user's folder, which is made.
 * @throws FoveaError `io` when it cannot
 */
export function checkDataFolder(): void {
  checkFolder(dataFolder());
}

/**
 * Finds out whether a folder, which is made, can be written into and has room.
 * @throws FoveaError `io` when it cannot, or has not
 */
export function checkFolder(folder: string): void {
  makeFolder(folder);
  try {
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new FoveaError('io', `cannot write into ${folder}: ${writeRefusal(cause)}`, { cause });
  }
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < leastBytes)
    throw new FoveaError(
      'io',
      `cannot write into ${folder}: the disk has less than ${leastBytes} bytes left`,
    );
}

/** The engine's version: what was measured with another one is of no use. */
export const engineVersion = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/**
 * Stores a JSON document, replacing the file at once so that a reader never sees half of one, and two writers leave the
 * whole document of one of them.
 * @param what it is, as a message names it
 * @returns the path written
 * @throws FoveaError `io` when the folder cannot be written; an older file is then kept
 */
export function storeFile(file: string, content: object, what: string): string {
  try {
    makeFolder(path.dirname(file));
    replaceFileSync(file, `${JSON.stringify(content, null, 1)}\n`);
  } catch (cause) {
    throw new FoveaError('io', `${what} cannot be stored at ${file}: ${writeRefusal(cause)}`, { cause });
  }
  return file;
}
