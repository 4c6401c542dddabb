import { mkdir, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { dataFolder, imageFileName, refusal, replaceFile } from '@fovea/engine/internal';
import { type Material, materialOf } from '../material.js';
import { sha256Of } from '../point.js';

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
 * @throws FoveaError `io` when the folder cannot be read, `bad-file` when it holds no images by class
 */
export async function listImages(folder: string, most = Number.POSITIVE_INFINITY): Promise<Manifest> {
  const root = resolve(folder);
  const list = async (path: string) => {
    try {
      return (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (cause) {
      throw new FoveaError('io', `cannot read the folder ${path}: ${refusal(cause, 'folder')}`, { cause });
    }
  };
  const labels = (await list(root)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const files: Manifest['files'][number][] = [];
  for (const [label, name] of labels.entries()) {
    for (const entry of await list(join(root, name))) {
      if (!imageFileName.test(entry.name)) continue;
      files.push([`${name}/${entry.name}`, label, (await stat(join(root, name, entry.name))).size]);
    }
  }
  if (files.length === 0) {
    throw new FoveaError('bad-file', `${folder} holds no images; one folder of images per class is accepted`);
  }
  const kept = Math.min(most, files.length);
  return {
    root,
    labels,
    files: Array.from({ length: kept }, (_, i) => files[Math.floor((i * files.length) / kept)]!),
  };
}

/**
 * Keeps a manifest under its content hash, from where it is handed to workers.
 * @throws FoveaError `io`
 */
export async function keepManifest(manifest: Manifest): Promise<Material> {
  const text = JSON.stringify(manifest);
  const sha256 = sha256Of(text);
  const folder = join(dataFolder(), 'sweeps', 'manifests');
  const path = join(folder, `${sha256}.json`);
  await mkdir(folder, { recursive: true });
  await replaceFile(path, text);
  return materialOf([{ name: 'manifest.json', sha256, bytes: Buffer.byteLength(text), path }]);
}
