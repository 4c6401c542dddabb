import { FoveaError, type Network, preprocess, type Tensor } from '@fovea/engine';
import { readInputs, sceneSides } from '@fovea/engine/internal';
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
 * The images of `--data`, or generated ones.
 * @param count how many are generated without `--images`
 * @throws FoveaError `bad-argument` for a network that does not take such images, and for options that would have no effect
 */
export async function loadImages(options: DataOptions, network: Network, count: number): Promise<Dataset> {
  const { data, images, seed } = options;
  const { size: wanted = network.inputShape, how: said } = parsePreprocessing(options);
  const how = { ...network.preprocessing, ...said };
  const { channels } = network.inputShape;
  const { height, width } = wanted;
  if (channels !== 3 || height !== width) {
    throw new FoveaError(
      'bad-argument',
      `${network.name} takes ${channels} channels of ${height}x${width}; square colour images are what this command reads`,
    );
  }
  const most = images === undefined ? undefined : parseInteger('--images', images);
  if (data !== undefined) {
    refuseSeed(seed);
    const folder = await readImageFolder(data, {
      ...how,
      size: height,
      unlabelled: true,
      onProgress: showImages('reading'),
      ...(most === undefined ? {} : { most }),
    });
    nameSkipped(folder.skipped);
    return folder;
  }
  refuseScaling(options);
  const { mean, deviation } = how;
  const drawn = await generateDataset({
    seed: seedOf(seed),
    count: most ?? count,
    size: height,
    onProgress: showImages('drawing'),
  });
  clearLine();
  return { ...drawn, ...(mean ? { mean } : {}), ...(deviation ? { deviation } : {}) };
}

/**
 * The same images as inputs of a network that takes them in any shape, in colour or grey; their classes do not count.
 * @param count how many are generated without `--images`
 * @throws FoveaError `bad-argument` for a network that takes no images, and for options that would have no effect
 */
export async function loadInputs(options: DataOptions, network: Network, count: number): Promise<Tensor> {
  const { data, images, seed } = options;
  const { size: { height, width } = network.inputShape, how: said } = parsePreprocessing(options);
  const how = { ...network.preprocessing, ...said };
  const taken = network.inputShape.channels;
  if (taken !== 1 && taken !== 3) {
    throw new FoveaError(
      'bad-argument',
      `${network.name} takes ${taken} channels; images have 3, or 1 where they are grey`,
    );
  }
  const channels: 1 | 3 = taken === 1 ? 1 : 3;
  const longest = Math.max(height, width);
  if (channels === 3 && height === width && (data !== undefined || isDrawn(longest))) {
    const dataset = await loadImages(options, network, count);
    return imagesOf(dataset, dataset.count);
  }
  const most = images === undefined ? undefined : parseInteger('--images', images);
  if (data !== undefined) {
    refuseSeed(seed);
    const onProgress = showImages('reading');
    const read = { ...how, height, width, channels, onProgress, ...(most === undefined ? {} : { most }) };
    const { inputs, skipped } = await readInputs(data, read);
    nameSkipped(skipped);
    return inputs;
  }
  refuseScaling(options);
  const side = Math.min(Math.max(longest, sceneSides.smallest), sceneSides.largest);
  const drawn = await generateDataset({
    seed: seedOf(seed),
    count: most ?? count,
    size: side,
    onProgress: showImages('drawing'),
  });
  clearLine();
  const scenes = Array.from({ length: drawn.count }, (_, i) => ({
    width: side,
    height: side,
    data: drawn.pixels.subarray(i * side * side * 3, (i + 1) * side * side * 3),
  }));
  return preprocess(scenes, { ...how, fit: 'crop', cropFraction: 1, height, width, channels });
}

/** The line that shows how many images are there. */
const showImages = (doing: string) =>
  progressLine((done: number, count: number) => `${doing} images ${done} of ${count}`);

/** Whether scenes are drawn at a side. */
export const isDrawn = (side: number) => side >= sceneSides.smallest && side <= sceneSides.largest;

const seedOf = (seed: string | undefined) =>
  seed === undefined ? UNSEEN_SEED : parseInteger('--seed', seed, 0);

function refuseSeed(seed: string | undefined): void {
  if (seed === undefined) return;
  throw new FoveaError('bad-argument', `--seed ${seed}: it selects generated images, and --data has none`);
}

function refuseScaling(options: DataOptions): void {
  const why = 'is for images of --data; generated ones are drawn to size';
  refusePreprocessing(options, ['resize', 'crop'], why);
}
