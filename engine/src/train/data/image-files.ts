import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { FoveaError } from '../../errors.js';
import { refusal } from '../../file.js';
import { imageFileName, imageFormats, unreadImageFileName } from '../../image/decode.js';

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
  /** Images of formats that are not read, one entry for each folder and ending. */
  readonly unread: readonly SkippedFile[];
}

/**
 * Lists a folder that has one folder of images per class.
 * @throws FoveaError `io` when a folder cannot be read
 */
export async function listClasses(folder: string): Promise<ClassFiles> {
  const { folders, images: loose, unread: unreadLoose } = await listFolder(folder);
  const unread = [...unreadLoose];
  const labels: string[] = [];
  const empty: string[] = [];
  const files: { file: string; label: number }[] = [];
  for (const name of folders) {
    const { images, unread: unreadHere } = await listFolder(path.join(folder, name));
    unread.push(...below(name, unreadHere));
    if (images.length === 0) {
      empty.push(name);
      continue;
    }
    const label = labels.push(name) - 1;
    // One by one: a folder may hold more images than a call takes arguments.
    for (const image of images) files.push({ file: path.join(name, image), label });
  }
  return { labels, files, loose, empty, unread };
}

/** What of a folder by class is not used, and why: to be named beside what is. */
export function leftOutOf({ empty, loose, unread }: Omit<ClassFiles, 'labels' | 'files'>): SkippedFile[] {
  return [
    ...empty.map((file) => ({ file, reason: 'holds no images, so it is no class' })),
    ...loose.map((file) => ({ file, reason: 'lies beside the folders of classes' })),
    ...unread,
  ];
}

/** Images at any depth below a folder. */
export interface ImagesBelow {
  readonly images: readonly string[];
  /** Images of formats that are not read, one entry for each folder and ending. */
  readonly unread: readonly SkippedFile[];
}

/**
 * Paths of all images below a folder, relative to it, in order of their names, and the images of formats that are not
 * read.
 * @throws FoveaError `io` when a folder cannot be read
 */
export async function listImagesBelow(folder: string): Promise<ImagesBelow> {
  return listBelow(folder, '', new Set());
}

/** @param above real paths of the folders on the way here: a link back to one of them would never end */
async function listBelow(
  folder: string,
  within: string,
  above: ReadonlySet<string>,
): Promise<{ images: string[]; unread: SkippedFile[] }> {
  const here = path.join(folder, within);
  const listed = await listFolder(here);
  const real = await realpath(here);
  if (above.has(real)) return { images: [], unread: [] };
  const images = listed.images.map((name) => path.join(within, name));
  const unread = below(within, listed.unread);
  for (const name of listed.folders) {
    const deeper = await listBelow(folder, path.join(within, name), new Set(above).add(real));
    for (const image of deeper.images) images.push(image);
    unread.push(...deeper.unread);
  }
  return { images, unread };
}

/** Files of a folder, named from the folder above it. */
function below(folder: string, files: readonly SkippedFile[]): SkippedFile[] {
  return files.map(({ file, reason }) => ({ file: path.join(folder, file), reason }));
}

/**
 * Folders and image files directly in a folder, and how many images of other formats there are. Links count as what they lead to, since data sets are often made of
 * them. Names that begin with a dot are left out: systems and editors keep such beside the images
 * (`.ipynb_checkpoints`, `._photo.jpg`).
 */
async function listFolder(
  folder: string,
): Promise<{ folders: string[]; images: string[]; unread: SkippedFile[] }> {
  const folders: string[] = [];
  const images: string[] = [];
  const unread = new Map<string, number>();
  for (const entry of await readEntries(folder)) {
    if (entry.name.startsWith('.')) continue;
    const target = entry.isSymbolicLink()
      ? await stat(path.join(folder, entry.name)).catch(() => undefined)
      : entry;
    if (target?.isDirectory()) folders.push(entry.name);
    // A link that leads nowhere stays, so that reading it says so.
    else if (imageFileName.test(entry.name)) images.push(entry.name);
    else {
      const ending = unreadImageFileName.exec(entry.name)?.[1]?.toLowerCase();
      if (ending !== undefined) unread.set(ending, (unread.get(ending) ?? 0) + 1);
    }
  }
  return { folders: folders.sort(), images: images.sort(), unread: [...unread].sort().map(unreadOf) };
}

/** Data sets hold thousands of images of one format, so they are named together. */
function unreadOf([ending, count]: readonly [string, number]): SkippedFile {
  const many = count === 1 ? 'one image' : `${count} images`;
  return {
    file: `*.${ending}`,
    reason: `${many} of a format that is not read; ${imageFormats} are accepted`,
  };
}

/** What of a folder was not read, for the message that nothing is left of it. */
export function firstSkipped(skipped: readonly SkippedFile[]): string {
  if (!skipped[0]) return '';
  const { file, reason } = skipped[0];
  return `; ${skipped.length === 1 ? '' : `${skipped.length} left out, the first: `}${file}: ${reason}`;
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
