import { existsSync, readdirSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { diskRefusal, makeFolder, removeAbandoned, temporaryName, writeRefusal } from '@fovea/engine/files';
import type { Material } from './material.js';
import { type PointRecord, sha256Of } from './point.js';
import { storedFolder } from './storage/folders.js';

/** How a network that a sweep has kept is named, as a MODEL and in results. */
const PREFIX = 'sha256:';
const EXTENSION = '.safetensors';
const pattern = /^sha256:[0-9a-f]{8,64}$/;

const folderBelow = (dataFolder: string) => storedFolder(dataFolder, 'networks');

/** Where a network is kept below the folder of the user's Fovea files. */
export const keptPath = (dataFolder: string, sha256: string): string =>
  join(folderBelow(dataFolder), `${sha256}${EXTENSION}`);

/** Whether a MODEL is the hash of a kept network. */
export const namesKept = (model: string): boolean => model.startsWith(PREFIX);

/**
 * Keeps a network under the hash of its content.
 * @param save writes it as a file
 * @returns `sha256:…`, by which every command takes it as MODEL
 * @throws FoveaError `io`
 */
export async function keepNetwork(
  dataFolder: string,
  save: (path: string) => Promise<void>,
): Promise<string> {
  const folder = folderBelow(dataFolder);
  const partial = temporaryName(join(folder, EXTENSION), EXTENSION);
  try {
    makeFolder(folder);
    removeAbandoned(folder);
    await save(partial);
    const sha256 = sha256Of(await readFile(partial));
    await rename(partial, keptPath(dataFolder, sha256));
    return `${PREFIX}${sha256}`;
  } catch (cause) {
    await rm(partial, { force: true });
    // What a disk refuses is said of the folder: the name of a temporary file tells nobody anything.
    const isRefused = diskRefusal(cause) !== undefined;
    if (cause instanceof FoveaError && !isRefused) throw cause;
    const why = writeRefusal(cause instanceof FoveaError ? cause.cause : cause);
    throw new FoveaError('io', `cannot keep a network in ${folder}: ${why}`, { cause });
  }
}

/**
 * Finds a kept network by its hash, or by its first eight digits or more.
 * @throws FoveaError `unknown-name` when none or several begin so
 */
export function findKept(
  dataFolder: string,
  model: string,
): { readonly path: string; readonly sha256: string } {
  const folder = folderBelow(dataFolder);
  const files = pattern.test(model) && existsSync(folder) ? readdirSync(folder) : [];
  const digits = model.slice(PREFIX.length);
  const found = files.filter((file) => file.startsWith(digits) && file.endsWith(EXTENSION));
  if (found.length === 1)
    return { path: join(folder, found[0]!), sha256: found[0]!.slice(0, -EXTENSION.length) };
  throw new FoveaError(
    'unknown-name',
    `${model}: ${found.length || 'none'} of the networks that sweeps have kept in ${folder} ${found.length > 1 ? 'begin' : 'begins'} so; ${PREFIX} and at least 8 digits of one are accepted`,
  );
}

/** The digits of a kept network's hash in a MODEL that names one. */
export const hashIn = (model: string): string | undefined =>
  pattern.test(model) ? model.slice(PREFIX.length) : undefined;

/** The network that a point has made and kept, by its content hash. */
export function keptBy({ model }: NonNullable<PointRecord['result']>): string | undefined {
  return typeof model === 'string' ? hashIn(model) : undefined;
}

/** A kept network as it is handed to others. */
export async function keptMaterial(dataFolder: string, sha256: string): Promise<Material> {
  const path = keptPath(dataFolder, sha256);
  const { length: bytes } = await readFile(path);
  return { sha256, files: [{ name: `${sha256}${EXTENSION}`, sha256, bytes, path }] };
}

/** The short name of a kept network, which is accepted in the place of the long one. */
export const shortName = (sha256: string): string => `${PREFIX}${sha256.slice(0, 12)}`;
