import path from 'node:path';
import { expectArgument, expectOptions, type Kinds } from '../../arguments/expect.js';
import { aCount, aDataset, aFlag, aFunction, aNumber, aSignal, aText, later } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import { readImage } from '../../image/decode.js';
import { normaliserOf, statisticsOf } from '../../image/normalise.js';
import { type Preprocessing, preprocessingKinds } from '../../image/preprocess.js';
import { type ImageSize, scaleImage, sizeOf } from '../../image/scale.js';
import type { Dataset } from './dataset.js';
import { firstSkipped, leftOutOf, listClasses, type SkippedFile, spreadOver } from './image-files.js';

/** How `readImageFolder` reads images. */
export interface FolderOptions extends Preprocessing {
  /** Height and width in pixels, or one side. */
  readonly size: number | ImageSize;
  readonly most?: number;
  /** Also takes a folder that holds images but no folders: they have no classes then (`labels` is empty). */
  readonly unlabelled?: boolean;
  readonly signal?: AbortSignal;
  /** Called after each image, with how many have been read or left out, and how many there are. */
  readonly onProgress?: (done: number, count: number) => void;
}

/** A folder of images as a dataset, with what was left out of it. */
export interface FolderDataset extends Dataset {
  readonly skipped: readonly SkippedFile[];
}

const folderOptionKinds: Kinds<FolderOptions> = {
  size: later,
  most: aNumber,
  unlabelled: aFlag,
  ...preprocessingKinds,
  signal: aSignal,
  onProgress: aFunction,
};

/**
 * Reads a folder that has one folder of images per class. Each is brought to `size` as `preprocess` does it. Files that
 * cannot be read, folders without images and images beside the folders are skipped and named, and so are images of
 * formats that are not read; names that begin with a dot do not count.
 *
 * @param options `most`: how many images to read, spread evenly over all of them; every one when left out
 * @throws FoveaError `io` when the folder cannot be read, `bad-file` when no image is left, `bad-argument`
 *   for a size out of range
 */
export async function readImageFolder(folder: string, options: FolderOptions): Promise<FolderDataset> {
  expectArgument(folder, aText, 'readImageFolder: folder');
  expectOptions(options, folderOptionKinds, 'readImageFolder');
  const { size, signal, most, unlabelled = false, onProgress, ...how } = options;
  const { height, width } = sizeOf(size);
  if (most !== undefined && !(Number.isInteger(most) && most >= 1)) {
    throw new FoveaError('bad-argument', `most ${most}: an integer of at least 1 is accepted`);
  }
  normaliserOf(how);
  const { labels, files: labelled, loose, empty, unread } = await listClasses(folder);
  const takesLoose = labels.length === 0 && unlabelled && loose.length > 0;
  if (labels.length === 0 && empty.length === 0 && !takesLoose) {
    throw new FoveaError(
      'bad-file',
      `${folder} holds no folders; one folder of images per class is accepted${unlabelled ? ', or images' : ''}${firstSkipped(unread)}`,
    );
  }
  const files = takesLoose ? loose.map((file) => ({ file, label: -1 })) : labelled;
  const beside = takesLoose ? [] : loose;
  const images: { pixels: Uint8Array; label: number }[] = [];
  const skipped = leftOutOf({ empty, loose: beside, unread });
  const leftOut = skipped.length;
  const wanted = spreadOver(files, most);
  for (const [position, { file, label }] of wanted.entries()) {
    if (signal?.aborted) throw new FoveaError('aborted', `reading ${folder} was aborted`);
    try {
      const image = await readImage(path.join(folder, file));
      images.push({ pixels: await scaleImage(image, { ...how, height, width }), label });
    } catch (error) {
      if (error instanceof FoveaError && error.code === 'bad-argument') throw error;
      skipped.push({ file, reason: (error as Error).message.split('\n')[0]! });
    }
    onProgress?.(position + 1, wanted.length);
  }
  if (images.length === 0) {
    const why = firstSkipped([...skipped.slice(leftOut), ...unread]);
    throw new FoveaError('bad-file', `${folder} holds no readable images${why}`);
  }
  const pixels = new Uint8Array(images.length * height * width * 3);
  images.forEach((image, i) => {
    pixels.set(image.pixels, i * height * width * 3);
  });
  return {
    height,
    width,
    count: images.length,
    labels,
    pixels,
    targets: Int32Array.from(images, ({ label }) => label),
    skipped,
    ...statisticsOf(how),
  };
}

/** Splits a dataset by position: every `every`-th image of each class goes to the second part. */
export function splitDataset(dataset: Dataset, every: number): readonly [Dataset, Dataset] {
  expectArgument(dataset, aDataset, 'splitDataset: dataset');
  expectArgument(every, aCount, 'splitDataset: every');
  const seen = new Array<number>(dataset.labels.length).fill(0);
  const parts: [number[], number[]] = [[], []];
  dataset.targets.forEach((label, i) => {
    seen[label]! += 1;
    parts[seen[label]! % every === 0 ? 1 : 0].push(i);
  });
  const pick = (chosen: readonly number[]): Dataset => {
    const image = dataset.height * dataset.width * 3;
    const pixels = new Uint8Array(chosen.length * image);
    chosen.forEach((from, to) => {
      pixels.set(dataset.pixels.subarray(from * image, (from + 1) * image), to * image);
    });
    const { height, width, labels } = dataset;
    return {
      ...statisticsOf(dataset),
      height,
      width,
      labels,
      count: chosen.length,
      pixels,
      targets: Int32Array.from(chosen, (i) => dataset.targets[i]!),
    };
  };
  return [pick(parts[0]), pick(parts[1])];
}
