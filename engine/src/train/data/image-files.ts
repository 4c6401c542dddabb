import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { FoveaError } from '../../errors.js';
import { refusal } from '../../file.js';
import { imageFileName } from '../../image/decode.js';

/** A file that was left out, and why. */
export interface SkippedFile {
  readonly file: string;
  readonly reason: string;
}

/** Image files by class, in order of their names. */
export interface ClassFiles {
  /** Names of the folders that hold images. */
  readonly labels: readonly string[];
  /** Paths below the folder, each with the position of its label. */
  readonly files: readonly { readonly file: string; readonly label: number }[];
  /** Images directly in the folder; no class is known of them. */
  readonly loose: readonly string[];
  /** Folders without an image: they are no class, since nothing could be learned or tested of it. */
  readonly empty: readonly string[];
}

/**
 * Lists a folder that has one folder of images per class.
 * @throws FoveaError `io` when a folder cannot be read
 */
export async function listClasses(folder: string): Promise<ClassFiles> {
  const { folders, images: loose } = await listFolder(folder);
  const labels: string[] = [];
  const empty: string[] = [];
  const files: { file: string; label: number }[] = [];
  for (const name of folders) {
    const { images } = await listFolder(path.join(folder, name));
    if (images.length === 0) {
      empty.push(name);
      continue;
    }
    const label = labels.push(name) - 1;
    files.push(...images.map((image) => ({ file: path.join(name, image), label })));
  }
  return { labels, files, loose, empty };
}

/**
 * Paths of all images below a folder, relative to it, in order of their names.
 * @throws FoveaError `io` when a folder cannot be read
 */
export async function listImagesBelow(folder: string): Promise<string[]> {
  return listBelow(folder, '', new Set());
}

/** @param above real paths of the folders on the way here: a link back to one of them would never end */
async function listBelow(folder: string, below: string, above: ReadonlySet<string>): Promise<string[]> {
  const here = path.join(folder, below);
  const { folders, images } = await listFolder(here);
  const real = await realpath(here);
  if (above.has(real)) return [];
  const found: string[] = images.map((name) => path.join(below, name));
  for (const name of folders) {
    found.push(...(await listBelow(folder, path.join(below, name), new Set(above).add(real))));
  }
  return found;
}

/**
 * Folders and image files directly in a folder. Links count as what they lead to, since data sets are often made of
 * them. Names that begin with a dot are left out: systems and editors keep such beside the images
 * (`.ipynb_checkpoints`, `._photo.jpg`).
 */
async function listFolder(folder: string): Promise<{ folders: string[]; images: string[] }> {
  const folders: string[] = [];
  const images: string[] = [];
  for (const entry of await readEntries(folder)) {
    if (entry.name.startsWith('.')) continue;
    const target = entry.isSymbolicLink()
      ? await stat(path.join(folder, entry.name)).catch(() => undefined)
      : entry;
    if (target?.isDirectory()) folders.push(entry.name);
    // A link that leads nowhere stays, so that reading it says so.
    else if (imageFileName.test(entry.name)) images.push(entry.name);
  }
  return { folders: folders.sort(), images: images.sort() };
}

async function readEntries(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new FoveaError('io', `cannot read the folder ${folder}: ${refusal(cause, 'folder')}`, { cause });
  }
}

/** `most` of a list, evenly spread, so that every part of it has its share. */
export function spreadOver<Item>(list: readonly Item[], most = list.length): readonly Item[] {
  if (most >= list.length) return list;
  return Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]!);
}
