import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { FoveaError } from '../../errors.js';
import { refusal } from '../../file.js';
import { imageFileName, readImage } from '../../image/decode.js';
import { type Normalisation, normaliserOf } from '../../image/normalise.js';
import type { Preprocessing } from '../../image/preprocess.js';
import { scaleImage } from '../../image/scale.js';
import type { Dataset } from './dataset.js';

/** How `readImageFolder` reads images. */
export interface FolderOptions extends Preprocessing {
  /** Side in pixels, 32…1024. */
  readonly size: number;
  readonly most?: number;
  /** Also takes a folder that holds images but no folders: they have no classes then (`labels` is empty). */
  readonly unlabelled?: boolean;
  readonly signal?: AbortSignal;
}

/** A folder of images as a dataset, with the files that could not be read. */
export interface FolderDataset extends Dataset {
  readonly skipped: readonly { readonly file: string; readonly reason: string }[];
}

/**
 * Reads a folder that has one folder of images (PNG, JPEG, WebP) per class. Each is brought to a square of `size`
 * pixels as `preprocess` does it. Files that cannot be read are skipped and named.
 *
 * @param options `most`: how many images to read, spread evenly over all of them; every one when left out
 * @throws FoveaError `io` when the folder cannot be read, `bad-file` when no image is left, `bad-argument`
 *   for a size out of range
 */
export async function readImageFolder(
  folder: string,
  { size, signal, most, unlabelled = false, ...how }: FolderOptions,
): Promise<FolderDataset> {
  if (!Number.isInteger(size) || size < 32 || size > 1024) {
    throw new FoveaError('bad-argument', `image size ${size}: an integer from 32 to 1024 is accepted`);
  }
  if (most !== undefined && !(Number.isInteger(most) && most >= 1)) {
    throw new FoveaError('bad-argument', `most ${most}: an integer of at least 1 is accepted`);
  }
  normaliserOf(how);
  const entries = await list(folder);
  const labels = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  const loose = entries.map((entry) => entry.name).filter((name) => imageFileName.test(name));
  if (labels.length === 0 && !(unlabelled && loose.length > 0)) {
    throw new FoveaError(
      'bad-file',
      `${folder} holds no folders; one folder of images per class is accepted${unlabelled ? ', or images' : ''}`,
    );
  }
  const files = labels.length > 0 ? [] : loose.sort().map((file) => ({ file, label: -1 }));
  for (const [label, name] of labels.entries()) {
    const names = (await list(path.join(folder, name))).map((entry) => entry.name);
    for (const file of names.filter((each) => imageFileName.test(each)).sort()) {
      files.push({ file: path.join(name, file), label });
    }
  }
  const images: { pixels: Uint8Array; label: number }[] = [];
  const skipped: { file: string; reason: string }[] = [];
  for (const { file, label } of spread(files, most)) {
    if (signal?.aborted) throw new FoveaError('aborted', `reading ${folder} was aborted`);
    try {
      const image = await readImage(path.join(folder, file));
      images.push({ pixels: await scaleImage(image, { ...how, height: size, width: size }), label });
    } catch (error) {
      if (error instanceof FoveaError && error.code === 'bad-argument') throw error;
      skipped.push({ file, reason: (error as Error).message.split('\n')[0]! });
    }
  }
  if (images.length === 0) {
    const why = skipped.length > 0 ? `; ${skipped.length} unreadable, the first: ${skipped[0]!.file}` : '';
    throw new FoveaError('bad-file', `${folder} holds no readable PNG, JPEG or WebP images${why}`);
  }
  const pixels = new Uint8Array(images.length * size * size * 3);
  images.forEach((image, i) => {
    pixels.set(image.pixels, i * size * size * 3);
  });
  return {
    size,
    count: images.length,
    labels,
    pixels,
    targets: Int32Array.from(images, ({ label }) => label),
    skipped,
    ...statisticsOf(how),
  };
}

/** `most` of a list, evenly spread, so that every class has its share. */
function spread<Item>(list: readonly Item[], most = list.length): readonly Item[] {
  if (most >= list.length) return list;
  return Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]!);
}

/** What of the preprocessing is done when a batch is made. */
function statisticsOf({ mean, deviation }: Normalisation): Normalisation {
  return { ...(mean ? { mean } : {}), ...(deviation ? { deviation } : {}) };
}

async function list(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new FoveaError('io', `cannot read the folder ${folder}: ${refusal(cause, 'folder')}`, { cause });
  }
}

/** Splits a dataset by position: every `every`-th image of each class goes to the second part. */
export function splitDataset(dataset: Dataset, every: number): readonly [Dataset, Dataset] {
  const seen = new Array<number>(dataset.labels.length).fill(0);
  const parts: [number[], number[]] = [[], []];
  dataset.targets.forEach((label, i) => {
    seen[label]! += 1;
    parts[seen[label]! % every === 0 ? 1 : 0].push(i);
  });
  const pick = (chosen: readonly number[]): Dataset => {
    const image = dataset.size * dataset.size * 3;
    const pixels = new Uint8Array(chosen.length * image);
    chosen.forEach((from, to) => {
      pixels.set(dataset.pixels.subarray(from * image, (from + 1) * image), to * image);
    });
    const { size, labels } = dataset;
    return {
      ...statisticsOf(dataset),
      size,
      labels,
      count: chosen.length,
      pixels,
      targets: Int32Array.from(chosen, (i) => dataset.targets[i]!),
    };
  };
  return [pick(parts[0]), pick(parts[1])];
}
