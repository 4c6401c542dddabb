import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FoveaError } from '@fovea/engine/errors';
import {
  describeHolder,
  hasEnded,
  type LockHolder,
  lockHolder,
  takeLock,
  underLock,
  watchedHolder,
} from '@fovea/engine/files';
import { namesIn, sweepsFolder } from './folders.js';
import { keyOf, type StoredItem, stampsOf } from './stored.js';

/** How long one that begins waits for a removal, which takes milliseconds a file. */
const patienceMs = 120_000;
const lookMs = 50;

const useFolder = (dataFolder: string) => join(sweepsFolder(dataFolder), 'in-use');
const pruneLock = (dataFolder: string) => join(sweepsFolder(dataFolder), 'prune.lock');

/** Beside the mark of a process: the stamps of all that was stored when it began. */
const stampsBeside = (mark: string) => `${mark}.stamps`;

/**
 * Says that this process makes or reads stored files from now on: none that is made or touched from now on is removed
 * until it says that it has ended. A removal that is under way is waited for.
 * @returns ends the use
 * @throws FoveaError `io` when that removal does not end
 */
export async function beginUse(dataFolder: string): Promise<() => Promise<void>> {
  const mark = join(useFolder(dataFolder), `${Date.now()}-${randomUUID()}`);
  let release: () => Promise<void>;
  try {
    release = await takeLock(mark, 'use of stored files');
  } catch {
    // Where nothing can be written nothing is stored either; what needs to be reports that itself.
    return async () => undefined;
  }
  const end = async () => {
    await release();
    await rm(stampsBeside(mark), { force: true }).catch(() => undefined);
  };
  try {
    await removalEnded(dataFolder);
  } catch (error) {
    await end();
    throw error;
  }
  try {
    await forgetEnded(dataFolder);
    await writeFile(stampsBeside(mark), JSON.stringify([...(await stampsOf(dataFolder))]), { flag: 'wx' });
  } catch {
    // Without them, or with half of them on a full disk, nothing at all is removed while this process runs.
  }
  return end;
}

/**
 * Removes stored files while nobody begins to use any.
 * @throws FoveaError `bad-argument` while another process removes some, and what `remove` throws
 */
export function whileNobodyBegins<Result>(
  dataFolder: string,
  remove: () => Promise<Result>,
): Promise<Result> {
  return underLock(pruneLock(dataFolder), 'removing stored files', remove, { withoutRoom: true });
}

/** A process that makes or reads stored files now. */
export interface Use {
  readonly holder: LockHolder;
  /** False for what was there when it began and was not touched since. */
  may(item: StoredItem): boolean;
}

/**
 * Who uses stored files now. No clock decides: machines that share a folder have clocks of their own, which are set forward
 * and back while sweeps run, and copies of files may have any time. Marks of processes that were killed are removed.
 */
export async function usesNow(dataFolder: string): Promise<Use[]> {
  const marks = await marksIn(dataFolder);
  const uses = await Promise.all(
    marks.map(async (mark): Promise<Use | undefined> => {
      const holder = await watchedHolder(mark);
      if (!holder) return forget(mark);
      const stamps = await stampsFor(mark);
      return { holder, may: (item) => stamps?.get(keyOf(item)) !== item.stamp };
    }),
  );
  return uses.filter((use) => use !== undefined);
}

/** Undefined where they are not there, or not whole: of that process nothing is known but that it runs. */
async function stampsFor(mark: string): Promise<Map<string, string> | undefined> {
  try {
    return new Map(JSON.parse(await readFile(stampsBeside(mark), 'utf8')));
  } catch {
    return undefined;
  }
}

/** Takes away what processes of this machine that were killed have left. */
async function forgetEnded(dataFolder: string): Promise<void> {
  for (const mark of await marksIn(dataFolder)) if (await hasEnded(mark)) await forget(mark);
}

async function marksIn(dataFolder: string): Promise<string[]> {
  const folder = useFolder(dataFolder);
  const names = await namesIn(folder);
  return names.filter((name) => /^\d+-[0-9a-f-]{36}$/.test(name)).map((name) => join(folder, name));
}

async function forget(mark: string): Promise<undefined> {
  for (const path of [mark, stampsBeside(mark)]) await rm(path, { force: true }).catch(() => undefined);
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
