import type { Stats } from 'node:fs';
import { rename, rm, stat, utimes } from 'node:fs/promises';
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
  /** When it was made, or used last, by whatever clock that was: for people to read, and nothing is decided by it. */
  readonly usedMs: number;
  /** Another one as soon as it is made again or used. */
  readonly stamp: string;
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
  for await (const { status, ...item } of found(dataFolder)) {
    const bytes = await bytesOf(item.path, status);
    items.push({ ...item, bytes, usedMs: status.mtimeMs, stamp: stampOf(status) });
  }
  return items;
}

/**
 * The stamps of all that sweeps have stored on this machine, by `keyOf`.
 * @throws FoveaError `io` when it cannot be read
 */
export async function stampsOf(dataFolder: string): Promise<Map<string, string>> {
  const stamps = new Map<string, string>();
  for await (const { status, ...item } of found(dataFolder)) stamps.set(keyOf(item), stampOf(status));
  return stamps;
}

/** What an item is called on every machine that shares the folder, wherever that is. */
export const keyOf = ({ kind, sha256 }: Pick<StoredItem, 'kind' | 'sha256'>): string => `${kind} ${sha256}`;

async function* found(
  dataFolder: string,
): AsyncIterable<Pick<StoredItem, 'kind' | 'sha256' | 'path'> & { readonly status: Stats }> {
  for (const kind of storedKinds) {
    const folder = storedFolder(dataFolder, kind);
    for (const name of await namesIn(folder)) {
      const sha256 = named[kind].exec(name)?.[1];
      const path = join(folder, name);
      const status = sha256 === undefined ? undefined : await statusOf(path);
      if (sha256 !== undefined && status) yield { kind, sha256, path, status };
    }
  }
}

/** Whether two are the same says whether a file was made again or touched in between; which one is later says nothing. */
const stampOf = ({ ino, mtimeMs }: Stats): string => `${ino} ${mtimeMs}`;

/** A file system may keep times in steps of this. */
const coarsestMs = 2000;

/** Says that a file or a folder is used now, by a stamp that it has never had. One that is gone is for its reader to notice. */
export async function touch(path: string): Promise<void> {
  const status = await statusOf(path);
  if (!status) return;
  // Its time may be ahead of this machine's, or this machine's clock have been set back.
  const now = new Date(Math.max(Date.now(), status.mtimeMs + coarsestMs));
  await utimes(path, now, now).catch(() => undefined);
}

/**
 * Removes something stored, unless it was made again or used since it was listed. It disappears at once: nobody reads half
 * of it, also when this is killed.
 * @returns whether it is gone
 * @throws FoveaError `io`
 */
export async function removeStored({ path, stamp }: StoredItem): Promise<boolean> {
  const aside = temporaryName(path);
  try {
    if (stampOf(await stat(path)) !== stamp) return false;
    await rename(path, aside);
    if (stampOf(await stat(aside)) !== stamp) {
      // Used between the two.
      await rename(aside, path);
      return false;
    }
    await rm(aside, { recursive: true, force: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new FoveaError('io', `cannot remove ${path}: ${writeRefusal(cause)}`, { cause });
  }
  return true;
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
