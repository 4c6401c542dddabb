import path from 'node:path';
import { FoveaError } from '../../errors.js';
import { type RgbImage, readImage } from '../../image/decode.js';
import { normalised, type PreprocessOptions } from '../../image/preprocess.js';
import { scaleImage } from '../../image/scale.js';
import type { Tensor } from '../../tensor.js';
import { firstSkipped, listImagesBelow, type SkippedFile, spreadOver } from './image-files.js';

/** Which images below a folder are read. */
export interface ReadBelowOptions {
  /** How many, spread evenly over all of them; every one when left out. */
  readonly most?: number;
  readonly signal?: AbortSignal;
  /** Called after each image, with how many have been read or left out, and how many there are. */
  readonly onProgress?: (done: number, count: number) => void;
}

/** What was made of each image that could be read, and the files that could not. */
export interface ReadBelow<Made> {
  readonly files: readonly string[];
  readonly images: readonly Made[];
  readonly skipped: readonly SkippedFile[];
}

/**
 * Reads all images below a folder, at any depth, links followed, one after the other: only what `make` makes of each
 * is kept.
 * @throws FoveaError `io` when the folder cannot be read, `bad-file` when no image is left, `bad-argument`, `aborted`
 */
export async function readBelow<Made>(
  folder: string,
  { most, signal, onProgress }: ReadBelowOptions,
  make: (image: RgbImage) => Promise<Made>,
): Promise<ReadBelow<Made>> {
  if (most !== undefined && !(Number.isInteger(most) && most >= 1)) {
    throw new FoveaError('bad-argument', `most ${most}: an integer of at least 1 is accepted`);
  }
  const { images: all, unread } = await listImagesBelow(folder);
  const wanted = spreadOver(all, most);
  const [files, images, skipped] = [[] as string[], [] as Made[], [...unread]];
  for (const [position, file] of wanted.entries()) {
    if (signal?.aborted) throw new FoveaError('aborted', `reading ${folder} was aborted`);
    try {
      images.push(await make(await readImage(path.join(folder, file))));
      files.push(file);
    } catch (error) {
      if (error instanceof FoveaError && error.code === 'bad-argument') throw error;
      skipped.push({ file, reason: (error as Error).message.split('\n')[0]! });
    }
    onProgress?.(position + 1, wanted.length);
  }
  if (images.length === 0) {
    throw new FoveaError('bad-file', `${folder} holds no readable images${firstSkipped(skipped)}`);
  }
  return { files, images, skipped };
}

/**
 * Reads all images below a folder as inputs of a network, as `preprocess` makes them, of any height and width.
 * @throws FoveaError as `readBelow`
 */
export async function readInputs(
  folder: string,
  { most, signal, onProgress, ...how }: PreprocessOptions & ReadBelowOptions,
): Promise<{ readonly inputs: Tensor; readonly skipped: readonly SkippedFile[] }> {
  const chosen = {
    ...(most === undefined ? {} : { most }),
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  };
  const { images, skipped } = await readBelow(folder, chosen, (image) => scaleImage(image, how));
  return { inputs: normalised(images, how), skipped };
}
