import { FoveaError, type Network } from '@fovea/engine';
import { type Dataset, generateDataset, objectLabels, readImageFolder } from '@fovea/engine/train';
import type { Command } from 'commander';
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
      `${network.name} takes ${channels} channels of ${height}x${width}; square colour images are what these commands read`,
    );
  }
  const most = images === undefined ? undefined : parseInteger('--images', images);
  if (data !== undefined) {
    if (seed !== undefined) {
      throw new FoveaError(
        'bad-argument',
        `--seed ${seed}: it selects generated images, and --data has none`,
      );
    }
    const folder = await readImageFolder(data, {
      ...how,
      size: height,
      unlabelled: true,
      ...(most === undefined ? {} : { most }),
    });
    for (const { file, reason } of folder.skipped) process.stderr.write(`skipped ${file}: ${reason}\n`);
    return folder;
  }
  refusePreprocessing(
    options,
    ['resize', 'crop'],
    'is for images of --data; generated ones are drawn to size',
  );
  const { mean, deviation } = how;
  const drawn = await generateDataset({
    seed: seed === undefined ? UNSEEN_SEED : parseInteger('--seed', seed, 0),
    count: most ?? count,
    size: height,
  });
  return { ...drawn, ...(mean ? { mean } : {}), ...(deviation ? { deviation } : {}) };
}
