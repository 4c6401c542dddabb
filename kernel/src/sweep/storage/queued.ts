import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { makeFolder, writeRefusal } from '@fovea/engine/files';
import { namesIn, sweepsFolder } from './folders.js';

/** What this machine keeps for a sweep that a queue has. */
export interface QueuedSweep {
  /** The queue, as `host:port/database`. */
  readonly queue: string;
  readonly sweep: string;
  readonly hashes: readonly string[];
}

const queuesFolder = (dataFolder: string) => join(sweepsFolder(dataFolder), 'queues');
const folderOf = (dataFolder: string, queue: string, sweep: string) =>
  join(queuesFolder(dataFolder), encodeURIComponent(queue), sweep);

/**
 * Notes that a sweep on a queue refers to what is stored here. Call it when the queue has the sweep: a note of one that
 * it does not have is dropped.
 * @throws FoveaError `io` when it cannot be written
 */
export async function noteQueued(dataFolder: string, { queue, sweep, hashes }: QueuedSweep): Promise<void> {
  if (hashes.length === 0) return;
  const folder = folderOf(dataFolder, queue, sweep);
  makeFolder(folder);
  try {
    for (const hash of hashes) await writeFile(join(folder, hash), '');
  } catch (cause) {
    throw new FoveaError('io', `cannot note in ${folder} what a queue needs: ${writeRefusal(cause)}`, {
      cause,
    });
  }
}

/** All that was noted. */
export async function queuedSweeps(dataFolder: string): Promise<QueuedSweep[]> {
  const found: QueuedSweep[] = [];
  const root = queuesFolder(dataFolder);
  for (const encoded of await namesIn(root)) {
    for (const sweep of await namesIn(join(root, encoded))) {
      const hashes = await namesIn(join(root, encoded, sweep));
      found.push({ queue: decodeURIComponent(encoded), sweep, hashes });
    }
  }
  return found;
}

/**
 * Forgets what was noted for a sweep.
 * @throws FoveaError `io`
 */
export async function forgetQueued(dataFolder: string, queue: string, sweep: string): Promise<void> {
  const folder = folderOf(dataFolder, queue, sweep);
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (cause) {
    throw new FoveaError('io', `cannot remove ${folder}: ${writeRefusal(cause)}`, { cause });
  }
}
