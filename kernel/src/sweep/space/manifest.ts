import { stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { makeFolder, replaceFile } from '@fovea/engine/files';
import {
  dataFolder,
  firstSkipped,
  leftOutOf,
  listClasses,
  refusal,
  type SkippedFile,
  spreadOver,
} from '@fovea/engine/internal';
import { type Material, materialOf } from '../material.js';
import { sha256Of } from '../point.js';
import { storedFolder } from '../storage/folders.js';

/** The images of a folder that has one folder per class: what shards of an evaluation are ranges of. */
export interface Manifest {
  readonly root: string;
  readonly labels: readonly string[];
  /** Path below `root`, position of the label, and size: another size is another image. */
  readonly files: readonly (readonly [path: string, label: number, bytes: number])[];
}

/**
 * Lists a folder's images, classes and files in order of their names.
 * @param most how many to keep, spread evenly over all
 * @returns them, and what of the folder is not used
 * @throws FoveaError `io` when the folder cannot be read, `bad-file` when it holds no images by class
 */
export async function listImages(
  folder: string,
  most = Number.POSITIVE_INFINITY,
): Promise<{ readonly manifest: Manifest; readonly skipped: readonly SkippedFile[] }> {
  const root = resolve(folder);
  const { labels, files, ...besides } = await listClasses(root);
  const skipped = leftOutOf(besides);
  if (files.length === 0) {
    throw new FoveaError(
      'bad-file',
      `${folder} holds no images; one folder of images per class is accepted${firstSkipped(skipped)}`,
    );
  }
  const kept: Manifest['files'][number][] = [];
  for (const { file, label } of spreadOver(files, most)) {
    kept.push([file.split(sep).join('/'), label, await bytesOf(join(root, file))]);
  }
  return { manifest: { root, labels, files: kept }, skipped };
}

async function bytesOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    throw new FoveaError('io', `cannot read ${file}: ${refusal(cause, 'file')}`, { cause });
  }
}

/**
 * Keeps a manifest under its content hash, from where it is handed to workers.
 * @throws FoveaError `io`
 */
export async function keepManifest(manifest: Manifest): Promise<Material> {
  const text = JSON.stringify(manifest);
  const sha256 = sha256Of(text);
  const folder = storedFolder(dataFolder(), 'manifests');
  const path = join(folder, `${sha256}.json`);
  makeFolder(folder);
  await replaceFile(path, text);
  return materialOf([{ name: 'manifest.json', sha256, bytes: Buffer.byteLength(text), path }]);
}
