import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { makeFolder, replaceFile } from '@fovea/engine/files';
import type { Material, MaterialFile } from '../material.js';
import { sha256Of } from '../point.js';
import type { QueueConnection } from './connect-queue.js';
import { materialKey } from './keys.js';

/** Larger files are not put into the queue's store; every worker reads them from their path. */
export const LARGEST_STORED_BYTES = 64 * 2 ** 20;

const DESCRIPTION = 'description';
const contentField = (file: MaterialFile) => `content:${file.sha256}`;

/** Puts what points need where workers find it, unless it is there. */
export async function storeMaterial(
  redis: QueueConnection,
  material: Material,
  largest = LARGEST_STORED_BYTES,
): Promise<void> {
  const key = materialKey(material.sha256);
  for (const file of material.files) {
    if (file.bytes > largest || (await redis.hexists(key, contentField(file))) === 1) continue;
    const content = await readFile(file.path);
    if (sha256Of(content) !== file.sha256)
      throw new FoveaError('bad-file', `${file.path} was changed while it was handed to the queue`);
    await redis.hset(key, contentField(file), content);
  }
  await redis.hset(key, DESCRIPTION, JSON.stringify(material));
}

/**
 * Fetches a material to this machine: the file itself where this machine can read it, with whatever else lies beside it,
 * and otherwise what is in the store.
 *
 * @param cache folder in which it is kept under its content hash
 * @returns path of the file to open; the others lie beside it
 * @throws FoveaError `io` when it is neither stored nor on a shared path, `bad-file` when the content is another one
 */
export async function fetchMaterial(redis: QueueConnection, sha256: string, cache: string): Promise<string> {
  const text = await redis.hget(materialKey(sha256), DESCRIPTION);
  if (text === null) throw new FoveaError('io', `the queue has no material ${sha256}`);
  const { files } = JSON.parse(text) as Material;
  if (await isHere(files)) return files[0]!.path;
  const contents = await Promise.all(
    files.map((file) => redis.hgetBuffer(materialKey(sha256), contentField(file))),
  );
  const folder = join(cache, sha256);
  if (contents.every((content) => content === null)) return sharedPath(files);
  makeFolder(folder);
  for (const [index, file] of files.entries()) {
    const content = contents[index] ?? (await readShared(file));
    await keep(join(folder, file.name), content, file);
  }
  return join(folder, files[0]!.name);
}

/** Whether all files lie where they did on the machine that handed them in, with the same content. */
async function isHere(files: readonly MaterialFile[]): Promise<boolean> {
  for (const { path, sha256 } of files) {
    const content = await readFile(path).catch(() => undefined);
    if (content === undefined || sha256Of(content) !== sha256) return false;
  }
  return true;
}

/** Files too large for the store stay where they are. */
async function sharedPath(files: readonly MaterialFile[]): Promise<string> {
  for (const file of files) await readShared(file);
  return files[0]!.path;
}

async function readShared(file: MaterialFile): Promise<Uint8Array> {
  let content: Uint8Array;
  try {
    content = await readFile(file.path);
  } catch (cause) {
    throw new FoveaError(
      'io',
      `${file.name} (${file.bytes} bytes) is too large for the queue and cannot be read at ${file.path}; share that folder with this machine`,
      { cause },
    );
  }
  return checked(content, file, file.path);
}

function checked(content: Uint8Array, { sha256 }: MaterialFile, path: string): Uint8Array {
  if (sha256Of(content) === sha256) return content;
  throw new FoveaError('bad-file', `${path} is not the file that was handed in: its content is another one`);
}

/** Writes a file at once, unless it is there: workers of one machine may share the folder. */
async function keep(path: string, content: Uint8Array, file: MaterialFile): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (there?.size === file.bytes && sha256Of(await readFile(path)) === file.sha256) return;
  await replaceFile(path, checked(content, file, path));
}
