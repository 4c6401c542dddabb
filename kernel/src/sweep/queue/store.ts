import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { makeFolder, replaceFile } from '@fovea/engine/files';
import type { StoreItem, StorePruned } from '../backend.js';
import type { Material, MaterialFile } from '../material.js';
import { sha256Of } from '../point.js';
import { touch } from '../storage/stored.js';
import type { QueueConnection } from './connect-queue.js';
import { MATERIALS_KEY, materialKey, SWEEPS_KEY, sweepMaterialsKey } from './keys.js';

/** Larger files are not put into the queue's store; every worker reads them from their path. */
const LARGEST_STORED_BYTES = 64 * 2 ** 20;

const DESCRIPTION = 'description';
/** Removes a material unless a sweep refers to it; asked to look, it says whether it would. */
const REMOVE_UNREFERENCED = `
for _, sweep in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('SISMEMBER', '${sweepMaterialsKey("' .. sweep .. '")}', ARGV[1]) == 1 then return 0 end
end
if ARGV[2] ~= 'look' then
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('DEL', KEYS[3])
end
return 1`;

const contentField = (file: MaterialFile) => `content:${file.sha256}`;

/**
 * Puts what points need where workers find it, unless it is there, and keeps it while the queue has the sweep. Call it when
 * the queue has the sweep.
 * @param largest bytes of a file; larger ones stay on a path that is shared
 */
export async function storeMaterial(
  redis: QueueConnection,
  sweep: string,
  material: Material,
  largest = LARGEST_STORED_BYTES,
): Promise<void> {
  const key = materialKey(material.sha256);
  // Before it is looked for: what a sweep refers to is not removed.
  await redis.sadd(sweepMaterialsKey(sweep), material.sha256);
  await redis.sadd(MATERIALS_KEY, material.sha256);
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
  await touch(folder);
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

/**
 * Removes the materials that no sweep of the queue refers to.
 * @param among whether one may be removed at all
 */
export async function pruneMaterials(
  redis: QueueConnection,
  { dryRun, among = () => true }: { readonly dryRun: boolean; readonly among?: (item: StoreItem) => boolean },
): Promise<StorePruned> {
  const [removed, kept]: [StoreItem[], StoreItem[]] = [[], []];
  for (const sha256 of (await redis.smembers(MATERIALS_KEY)).sort()) {
    const key = materialKey(sha256);
    const item = await storedItem(redis, sha256);
    const how = dryRun || !among(item) ? 'look' : 'remove';
    const isFree = await redis.eval(REMOVE_UNREFERENCED, 3, SWEEPS_KEY, MATERIALS_KEY, key, sha256, how);
    if (isFree === 0) kept.push(item);
    else if (among(item)) removed.push(item);
  }
  return { removed, kept };
}

/** A material and what it takes in the store; files that stay on a shared path take nothing there. */
async function storedItem(redis: QueueConnection, sha256: string): Promise<StoreItem> {
  const text = await redis.hget(materialKey(sha256), DESCRIPTION);
  const { files } = text === null ? { files: [] } : (JSON.parse(text) as Material);
  let bytes = 0;
  for (const file of files) bytes += await redis.hstrlen(materialKey(sha256), contentField(file));
  return { sha256, name: files[0]?.name ?? '', bytes };
}
