import { randomUUID } from 'node:crypto';
import { rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FoveaError } from '@fovea/engine/errors';
import { describeHolder, lockHolder, takeLock, underLock } from '@fovea/engine/files';
import { namesIn, sweepsFolder } from './folders.js';

/** Clocks of machines that share a folder differ, and file systems keep times more coarsely than the clock. */
const clockSlackMs = 60_000;
/** How long one that begins waits for a removal, which takes milliseconds a file. */
const patienceMs = 120_000;
const lookMs = 50;

const useFolder = (dataFolder: string) => join(sweepsFolder(dataFolder), 'in-use');
const pruneLock = (dataFolder: string) => join(sweepsFolder(dataFolder), 'prune.lock');

/**
 * Says that this process makes or reads stored files from now on: none that is made or touched from now on is removed
 * until it says that it has ended. A removal that is under way is waited for.
 * @returns ends the use
 * @throws FoveaError `io` when that removal does not end
 */
export async function beginUse(dataFolder: string): Promise<() => Promise<void>> {
  const path = join(useFolder(dataFolder), `${Date.now()}-${randomUUID()}`);
  let release: () => Promise<void>;
  try {
    release = await takeLock(path, 'use of stored files');
    // Takes away what others that were killed have left.
    await usedSince(dataFolder);
  } catch {
    // Where nothing can be written nothing is stored either; what needs to be reports that itself.
    return async () => undefined;
  }
  try {
    await removalEnded(dataFolder);
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

/** Says that a file or a folder is used now. One that is gone is for its reader to notice. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

/**
 * Removes stored files while nobody begins to use any.
 * @throws FoveaError `bad-argument` while another process removes some, and what `remove` throws
 */
export function whileNobodyBegins<Result>(
  dataFolder: string,
  remove: () => Promise<Result>,
): Promise<Result> {
  return underLock(pruneLock(dataFolder), 'removing stored files', remove);
}

/**
 * Since when files may have been made or touched by those who use some now; infinite when nobody does. Marks of processes
 * that were killed are removed.
 */
export async function usedSince(dataFolder: string): Promise<number> {
  let first = Number.POSITIVE_INFINITY;
  const folder = useFolder(dataFolder);
  for (const name of await namesIn(folder)) {
    const began = Number(/^(\d+)-[0-9a-f-]{36}$/.exec(name)?.[1]);
    if (Number.isNaN(began)) continue;
    if (await lockHolder(join(folder, name))) first = Math.min(first, began);
    else await rm(join(folder, name), { force: true }).catch(() => undefined);
  }
  return first - clockSlackMs;
}

async function removalEnded(dataFolder: string): Promise<void> {
  const lock = pruneLock(dataFolder);
  for (const deadline = performance.now() + patienceMs; ; await delay(lookMs)) {
    const holder = await lockHolder(lock);
    if (!holder) return;
    if (performance.now() > deadline)
      throw new FoveaError(
        'io',
        `stored files of sweeps cannot be used: ${describeHolder(holder)} has been removing some for ${patienceMs / 1000} s`,
      );
  }
}
