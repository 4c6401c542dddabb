import { join } from 'node:path';
import * as engine from '@fovea/engine';
import * as training from '@fovea/engine/train';
import type { SoundCall } from '../../support/wrong-values.js';
import {
  ANY_INTEGER,
  ANY_SIZE,
  aborted,
  call,
  folder,
  HALF,
  height,
  image,
  input,
  network,
  onProgress,
  parameters,
  recipe,
  runAlso,
  running,
  safetensors,
  signal,
  width,
} from './sound-values.js';

/**
 * A sound call of every function of `@fovea/engine/train`.
 * @param how options of a run
 */
export async function trainingCalls(how: object): Promise<Readonly<Record<string, SoundCall>>> {
  const dataset = await training.generateDataset({ count: 2, size: { height, width }, seed: 1 });
  const file = training.parseSafetensors(safetensors, 'a');
  const photos = [image];
  return {
    adaptMaskers: call(
      [
        network,
        input,
        {
          batch: 1,
          checkpoint: join(folder, 'adapting'),
          granularity: 2,
          flops: 0.6,
          onProgress,
          rate: 0.5,
          saveEvery: 1,
          seed: 1,
          signal: aborted,
          size: { height, width },
          steps: 1,
          threads: 1,
          tune: 'maskers',
        },
      ],
      { 0: 'whole', '2.granularity': ANY_SIZE, '2.rate': HALF, '2.flops': HALF, '2.seed': ANY_INTEGER },
    ),
    canTrain: call([]),
    compareMaskers: call(
      [
        network,
        input,
        {
          ...running,
          calibration: input,
          flops: 0.9,
          granularity: 2,
          groups: [0],
          labels: [0],
          onProgress,
          others: {},
        },
      ],
      { 0: 'whole', '2.granularity': ANY_SIZE, '2.flops': HALF },
    ),
    fitMaskers: call([network, input, { ...running, rate: 0.5, granularity: 2, ridge: 0.1 }], {
      0: 'whole',
      '2.granularity': ANY_SIZE,
      '2.rate': HALF,
      '2.ridge': `${HALF} 1e300 2**53`,
    }),
    float32Of: call([file, 'a', [2]], { 0: 'whole' }),
    generateDataset: call(
      [{ count: 1, size: 16, seed: 1, signal, onProgress, mean: [0, 0, 0], deviation: [1, 1, 1] }],
      {
        '0.seed': ANY_INTEGER,
        '0.mean': 'bytes',
        '0.deviation': 'bytes',
      },
    ),
    imagesOf: call([dataset, [0], 3], { 0: 'whole' }),
    loadRecipeData: call([recipe, { signal, onProgress }], { 0: 'whole' }),
    measureAccuracy: call(
      [
        network,
        dataset,
        { ...how, masker: 'random', rate: 0.5, seed: 1, batch: 2, repeats: 1, device: 'v100' },
      ],
      {
        ...{ 0: 'whole', 1: 'whole' },
        ...runAlso('2'),
      },
    ),
    measureAgreement: call(
      [
        network,
        input,
        { ...running, ridge: 0.1, calibration: input, granularities: [2], onProgress, rates: [0.5] },
      ],
      {
        0: 'whole',
        '2.ridge': `${HALF} 1e300 2**53`,
        '2.rates': 'empty-floats',
      },
    ),
    observeBlocks: call([network, input, running, () => undefined], { 0: 'whole' }),
    parseRecipe: call([JSON.parse(JSON.stringify(recipe)), 'recipe'], {
      '0.architecture': 'promise {} empty-floats',
    }),
    parseSafetensors: call([safetensors, 'a']),
    photoCrops: call([network, photos, { area: [0.5, 1], each: 1, seed: 1 }], {
      0: 'whole',
      '2.seed': ANY_INTEGER,
    }),
    randomCrop: call([image, { width: 4, height: 4, area: [0.5, 1] }, new engine.Random(1)]),
    readImageFolder: call([join(folder, 'none'), { size: 8, most: 1, onProgress, signal, unlabelled: true }]),
    readPhotos: call([join(folder, 'none'), { most: 1, onProgress, side: 8, signal }]),
    readRecipe: call([join(folder, 'recipe.json')]),
    readSafetensors: call([join(folder, 'a.safetensors')]),
    saveModel: call([
      join(folder, 'model.safetensors'),
      parameters,
      { name: 'a', labels: training.objectLabels },
    ]),
    saveNetwork: call([join(folder, 'network.safetensors'), network], { 1: 'whole' }),
    splitDataset: call([dataset, 2], { 0: 'whole' }),
    train: call(
      [recipe, { onProgress, saveEvery: 1, signal: aborted, test: dataset, threads: 1, train: dataset }],
      { 0: 'whole' },
    ),
    trainedNetwork: call([parameters, { name: 'a', labels: training.objectLabels }], { 0: 'whole' }),
    writeSafetensors: call([{ a: { shape: [2], values: new Float32Array(2) } }, { b: 'c' }]),
  };
}
