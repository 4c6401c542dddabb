import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, removeAbandoned, temporaryName } from '@fovea/engine/files';

const BYTES = 64;

/**
 * A random secret of this machine that outlives the server, made at the first use. It appears complete or not at
 * all, so that a second server that starts at the same time reads the same one.
 * @param file in a folder that is private to the user
 */
export async function keptSecret(file: string): Promise<Buffer> {
  const before = await readFile(file).catch(() => undefined);
  if (before && before.length >= BYTES) return before;
  makeFolder(dirname(file), 0o700);
  removeAbandoned(dirname(file));
  const fresh = temporaryName(file);
  try {
    await writeFile(fresh, randomBytes(BYTES), { mode: 0o600, flag: 'wx' });
    // What is too short is what a crash left: no secret.
    if (before) await rename(fresh, file);
    else {
      await link(fresh, file).catch(async (error: NodeJS.ErrnoException) => {
        // Some file systems have no links; the name is taken where another server was first.
        if (error.code !== 'EEXIST') await rename(fresh, file);
      });
    }
  } finally {
    await rm(fresh, { force: true });
  }
  return readFile(file);
}
