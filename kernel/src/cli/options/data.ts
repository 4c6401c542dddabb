import { FoveaError, type Network, type Tensor } from '@fovea/engine';
import { imageChannels, readInputs } from '@fovea/engine/internal';
import { type Dataset, generateDataset, imagesOf, objectLabels, readImageFolder } from '@fovea/engine/train';
import type { Command } from 'commander';
import { clearLine, progressLine } from '../output/progress.js';
import { nameSkipped } from '../output/skipped.js';
import { parseInteger } from './parse.js';
import {
  addPreprocessing,
  type PreprocessingOptions,
  parsePreprocessing,
  refusePreprocessing,
} from './preprocessing.js';

/** Options that choose images, and how they become inputs. */
export interface DataOptions extends PreprocessingOptions {
  readonly data?: string;
  readonly images?: string;
  readonly seed?: string;
}

/** Seed of images that no shipped recipe trains on. */
export const UNSEEN_SEED = 77_000_001;

/**
 * Adds the options for images to a command.
 * @param count how many images are generated without `--images`
 */
export function addData(command: Command, count: number): Command {
  return addPreprocessing(
    command
      .option(
        '--data <folder>',
        'your images: one folder per class, or without labels (default: generated images)',
      )
      .option(
        '--images <n>',
        `how many images to generate (default: ${count}), or to take of the folder (default: all)`,
      )
      .option('--seed <n>', `seed of generated images (classes: ${objectLabels.join(', ')})`),
  );
}

/**
 * The images of `--data`, or generated ones, in colour: `imagesOf` makes them grey for a network that takes such.
 * @param count how many are generated without `--images`
 * @throws FoveaError `bad-argument` for a network that takes no images, and for options that would have no effect
 */
export async function loadImages(options: DataOptions, network: Network, count: number): Promise<Dataset> {
  const { data, images, seed } = options;
  const { size = network.inputShape, how } = prepared(options, network);
  const most = images === undefined ? undefined : parseInteger('--images', images);
  if (data !== undefined) {
    refuseSeed(seed);
    const folder = await readImageFolder(data, {
      ...how,
      size,
      unlabelled: true,
      onProgress: showImages('reading'),
      ...(most === undefined ? {} : { most }),
    });
    nameSkipped(folder.skipped);
    return folder;
  }
  refusePreprocessing(
    options,
    ['resize', 'crop'],
    'is for images of --data; generated ones are drawn to size',
  );
  const drawn = await generateDataset({
    ...how,
    seed: seedOf(seed),
    count: most ?? count,
    size,
    onProgress: showImages('drawing'),
  });
  clearLine();
  return drawn;
}

/**
 * The same images as a network's inputs, those of a folder at any depth: their classes do not count.
 * @param count how many are generated without `--images`
 * @throws FoveaError as `loadImages`
 */
export async function loadInputs(options: DataOptions, network: Network, count: number): Promise<Tensor> {
  const { data, images, seed } = options;
  const channels = imageChannels(network);
  if (data === undefined) {
    const drawn = await loadImages(options, network, count);
    return imagesOf(drawn, drawn.count, channels);
  }
  refuseSeed(seed);
  const { size: { height, width } = network.inputShape, how } = prepared(options, network);
  const most = images === undefined ? {} : { most: parseInteger('--images', images) };
  const onProgress = showImages('reading');
  const { inputs, skipped } = await readInputs(data, {
    ...how,
    height,
    width,
    channels,
    onProgress,
    ...most,
  });
  nameSkipped(skipped);
  return inputs;
}

/** The options' preprocessing, and where they say nothing the network's own, if it takes images. */
function prepared(options: DataOptions, network: Network) {
  imageChannels(network);
  const { size, how } = parsePreprocessing(options);
  return { size, how: { ...network.preprocessing, ...how } };
}

/** The line that shows how many images are there. */
const showImages = (doing: string) =>
  progressLine((done: number, count: number) => `${doing} images ${done} of ${count}`);

const seedOf = (seed: string | undefined) =>
  seed === undefined ? UNSEEN_SEED : parseInteger('--seed', seed, 0);

function refuseSeed(seed: string | undefined): void {
  if (seed === undefined) return;
  throw new FoveaError('bad-argument', `--seed ${seed}: it selects generated images, and --data has none`);
}
