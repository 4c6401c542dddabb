import { readdir } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { FoveaError } from '../../errors.js';
import { imageFileName } from '../../image/decode.js';
import type { Dataset } from './dataset.js';

/** Larger pictures are refused before they are unpacked. */
const mostPixels = 100_000_000;

/** A folder of images as a dataset, with the files that could not be read. */
export interface FolderDataset extends Dataset {
  readonly skipped: readonly { readonly file: string; readonly reason: string }[];
}

/**
 * Reads a folder that has one folder of images (PNG, JPEG, WebP) per class. Each image is scaled to cover a
 * square of `size` pixels and cropped to its middle. Files that cannot be read are skipped and named.
 *
 * @throws FoveaError `io` when the folder cannot be read, `bad-file` when no image is left, `bad-argument`
 *   for a size out of range
 */
export async function readImageFolder(
  folder: string,
  { size, signal }: { readonly size: number; readonly signal?: AbortSignal },
): Promise<FolderDataset> {
  if (!Number.isInteger(size) || size < 32 || size > 1024) {
    throw new FoveaError('bad-argument', `image size ${size}: an integer from 32 to 1024 is accepted`);
  }
  const labels = (await list(folder))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  if (labels.length === 0) {
    throw new FoveaError(
      'bad-file',
      `${folder} holds no folders; one folder of images per class is accepted`,
    );
  }
  const images: { pixels: Uint8Array; label: number }[] = [];
  const skipped: { file: string; reason: string }[] = [];
  for (const [label, name] of labels.entries()) {
    const entries = await list(path.join(folder, name));
    for (const file of entries
      .map((entry) => entry.name)
      .filter((file) => imageFileName.test(file))
      .sort()) {
      if (signal?.aborted) throw new FoveaError('aborted', `reading ${folder} was aborted`);
      try {
        images.push({ pixels: await readSquare(path.join(folder, name, file), size), label });
      } catch (error) {
        skipped.push({ file: path.join(name, file), reason: (error as Error).message.split('\n')[0]! });
      }
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
  };
}

async function list(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new FoveaError('io', `cannot read the folder ${folder}: ${(cause as Error).message}`, { cause });
  }
}

async function readSquare(file: string, size: number): Promise<Uint8Array> {
  const { data, info } = await sharp(file, { limitInputPixels: mostPixels, failOn: 'error' })
    .rotate()
    .resize(size, size, { fit: 'cover' })
    .flatten({ background: '#808080' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return data;
  const grey = new Uint8Array(size * size * 3);
  for (let i = 0; i < size * size; i++) grey.fill(data[i * info.channels]!, 3 * i, 3 * i + 3);
  return grey;
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
      size,
      labels,
      count: chosen.length,
      pixels,
      targets: Int32Array.from(chosen, (i) => dataset.targets[i]!),
    };
  };
  return [pick(parts[0]), pick(parts[1])];
}
