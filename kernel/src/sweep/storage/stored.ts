import type { Stats } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { removeAbandoned, temporaryName, writeRefusal } from '@fovea/engine/files';
import { namesIn, type StoredKind, storedFolder, storedKinds } from './folders.js';

/** Something that sweeps have stored on this machine. */
export interface StoredItem {
  readonly kind: StoredKind;
  readonly sha256: string;
  readonly bytes: number;
  /** Of a file, or of a folder of several. */
  readonly path: string;
  /** When it was made, or used last; a point that reads it says so. */
  readonly usedMs: number;
}

/** Under which names each kind is kept; nothing else in its folder is touched. */
const named: Readonly<Record<StoredKind, RegExp>> = {
  networks: /^([0-9a-f]{64})\.safetensors$/,
  manifests: /^([0-9a-f]{64})\.json$/,
  materials: /^([0-9a-f]{64})$/,
};

/**
 * All that sweeps have stored on this machine, by kind and name.
 * @throws FoveaError `io` when it cannot be read
 */
export async function listStored(dataFolder: string): Promise<StoredItem[]> {
  const items: StoredItem[] = [];
  for (const kind of storedKinds) {
    const folder = storedFolder(dataFolder, kind);
    for (const name of await namesIn(folder)) {
      const sha256 = named[kind].exec(name)?.[1];
      const path = join(folder, name);
      const status = sha256 === undefined ? undefined : await statusOf(path);
      if (sha256 === undefined || !status) continue;
      items.push({ kind, sha256, path, usedMs: status.mtimeMs, bytes: await bytesOf(path, status) });
    }
  }
  return items;
}

/**
 * Removes something stored. It disappears at once: nobody reads half of it, also when this is killed.
 * @throws FoveaError `io`
 */
export async function removeStored({ path }: StoredItem): Promise<void> {
  const aside = temporaryName(path);
  try {
    await rename(path, aside);
    await rm(aside, { recursive: true, force: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new FoveaError('io', `cannot remove ${path}: ${writeRefusal(cause)}`, { cause });
  }
}

/** Removes what processes that were killed have left half written or half removed. */
export function removeRemains(dataFolder: string): void {
  for (const kind of storedKinds) removeAbandoned(storedFolder(dataFolder, kind));
}

/** Undefined for what another process has removed since it was listed. */
const statusOf = (path: string): Promise<Stats | undefined> => stat(path).catch(() => undefined);

async function bytesOf(path: string, status: Stats): Promise<number> {
  if (!status.isDirectory()) return status.size;
  let bytes = 0;
  for (const name of await namesIn(path)) bytes += (await statusOf(join(path, name)))?.size ?? 0;
  return bytes;
}
