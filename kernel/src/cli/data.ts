import {
  type Dataset,
  FoveaError,
  generateDataset,
  type Network,
  objectLabels,
  readImageFolder,
} from '@fovea/engine';
import { parseInteger } from './parse.js';

/** Options that choose the images to look at. */
export interface DataOptions {
  readonly data?: string;
  readonly images?: string;
  readonly seed?: string;
}

/** Seed of images that no shipped recipe trains on. */
const unseen = 77_000_001;

/**
 * The images of `--data`, or generated ones.
 * @param count how many are drawn when `--images` does not say
 * @throws FoveaError `bad-argument` for a network that generated images do not fit
 */
export async function loadImages(
  { data, images, seed }: DataOptions,
  network: Network,
  count: number,
): Promise<Dataset> {
  const { height, width, channels } = network.inputShape;
  if (channels !== 3 || height !== width) {
    throw new FoveaError(
      'bad-argument',
      `${network.name} takes ${channels} channels of ${height}x${width}; square colour images are what these commands read`,
    );
  }
  if (data !== undefined) {
    const folder = await readImageFolder(data, { size: height });
    for (const { file, reason } of folder.skipped) process.stderr.write(`skipped ${file}: ${reason}\n`);
    return folder;
  }
  return generateDataset({
    seed: seed === undefined ? unseen : parseInteger('--seed', seed, 0),
    count: images === undefined ? count : parseInteger('--images', images),
    size: height,
  });
}

/** What `--data`, `--images` and `--seed` say, for help texts. */
export const DATA_HELP = {
  data: 'your images: one folder per class (default: generated images)',
  images: 'how many images to generate',
  seed: `seed of generated images (classes: ${objectLabels.join(', ')})`,
} as const;
