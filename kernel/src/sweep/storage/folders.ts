import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { refusal } from '@fovea/engine/files';

/**
 * What sweeps keep beside their records, each file or folder under the hash of its content: networks that points have
 * made, lists of images, and what a worker has fetched from a queue.
 */
export const storedKinds = ['networks', 'manifests', 'materials'] as const;
export type StoredKind = (typeof storedKinds)[number];

/** Where sweeps keep what they store, below the folder of the user's Fovea files. */
export const sweepsFolder = (dataFolder: string): string => join(dataFolder, 'sweeps');

/** Where all of one kind is. */
export const storedFolder = (dataFolder: string, kind: StoredKind): string =>
  join(sweepsFolder(dataFolder), kind);

/**
 * What a folder has, in order of the names; nothing where there is no folder.
 * @throws FoveaError `io` when it cannot be read
 */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return [];
    throw new FoveaError('io', `cannot read ${folder}: ${refusal(cause, 'folder')}`, { cause });
  }
}
