import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '@fovea/engine/files';
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
 */
export async function noteQueued(dataFolder: string, { queue, sweep, hashes }: QueuedSweep): Promise<void> {
  if (hashes.length === 0) return;
  const folder = folderOf(dataFolder, queue, sweep);
  makeFolder(folder);
  for (const hash of hashes) await writeFile(join(folder, hash), '');
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

/** Forgets what was noted for a sweep. */
export async function forgetQueued(dataFolder: string, queue: string, sweep: string): Promise<void> {
  await rm(folderOf(dataFolder, queue, sweep), { recursive: true, force: true });
}
