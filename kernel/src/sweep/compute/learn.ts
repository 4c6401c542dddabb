import type { Network } from '@fovea/engine';
import { dataFolder, imageChannels, plainGranularity } from '@fovea/engine/internal';
import {
  adaptMaskers,
  type Dataset,
  fitMaskers,
  imagesOf,
  measureAccuracy,
  saveNetwork,
} from '@fovea/engine/train';
import { keepNetwork } from '../kept-networks.js';
import type { Point, PointResult } from '../point.js';
import { engineGranularity } from '../space/networks.js';
import { datasetOf, networkOf, type PointContext } from './context.js';
import { mean, runningOf } from './measure-point.js';

/** Fits maskers: what they explain, leave of the FLOPs, and how far their answers are from dense. */
export async function fitPoint(point: Point, context: PointContext): Promise<PointResult> {
  const network = await networkOf(point, context.materials);
  const dataset = await datasetOf(point, network, context);
  const { flops: flopsTarget, rate } = point;
  const { network: fitted, blocks } = await fitMaskers(
    network,
    imagesOf(dataset, dataset.count, imageChannels(network)),
    {
      ...howToRun(point),
      granularity: engineGranularity(point.granularity ?? 1),
      ...(flopsTarget === undefined ? { rate: rate ?? 0.5 } : { flopsTarget }),
    },
  );
  context.onProgress(0.6);
  return {
    ...(await judged(fitted, dataset, point)),
    explained: mean(blocks.map((block) => block.explained)),
    blocks: blocks.map(({ name, granularity: S, rate: active, explained }) => ({
      ...{ name, granularity: plainGranularity(S), rate: active, explained },
    })),
  };
}

/** Learns maskers without labels; repetitions draw other noise. */
export async function adaptPoint(point: Point, context: PointContext): Promise<PointResult> {
  const network = await networkOf(point, context.materials);
  const dataset = await datasetOf(point, network, context);
  const { flops, steps, granularity, threads, repeat } = point;
  const { network: adapted, blocks } = await adaptMaskers(
    network,
    imagesOf(dataset, dataset.count, imageChannels(network)),
    {
      ...(flops === undefined ? {} : { flops }),
      ...(steps === undefined ? {} : { steps }),
      ...(granularity === undefined ? {} : { granularity: engineGranularity(granularity) }),
      ...(threads === undefined ? {} : { threads }),
      seed: 1 + repeat,
      onProgress: (progress) => {
        if (progress.phase !== 'fit') context.onProgress((0.9 * progress.step) / progress.steps);
      },
    },
  );
  return {
    ...(await judged(adapted, dataset, point)),
    blocks: blocks.map(({ name, granularity: S, rate }) => ({
      ...{ name, granularity: plainGranularity(S), rate },
    })),
  };
}

function howToRun(point: Point): { readonly backend?: string; readonly threads?: number } {
  const { backend, threads } = runningOf(point);
  return { ...(backend === undefined ? {} : { backend }), ...(threads === undefined ? {} : { threads }) };
}

/** How a network does with the maskers it was given, on the images they were learned on; it is kept. */
async function judged(network: Network, dataset: Dataset, point: Point): Promise<PointResult> {
  const { images, accuracy, agreement, flops, blocks } = await measureAccuracy(network, dataset, {
    ...howToRun(point),
    masker: 'learned',
    repeats: 1,
  });
  return {
    ...{ images, flops, agreement, rate: mean(blocks.map(({ rate }) => rate)) },
    ...(accuracy ? { accuracy } : {}),
    model: await keepNetwork(dataFolder(), (path) => saveNetwork(path, network)),
  };
}
