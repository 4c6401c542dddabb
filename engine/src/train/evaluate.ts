import { FoveaError } from '../errors.js';
import { imageChannels } from '../network/image-channels.js';
import { blocksOf, type Network } from '../network/network.js';
import type { Device } from '../plan/device.js';
import type { DeviceName } from '../predict/devices.js';
import { resolveDevice } from '../predict/options.js';
import { predict } from '../predict/predict.js';
import { flopsLeft } from '../profile.js';
import { resolveMaskers } from '../run/maskers.js';
import type { NetworkRunOptions } from '../run/options.js';
import { run } from '../run/run.js';
import { topClasses } from '../run/top-classes.js';
import { imagesOf } from './data/batches.js';
import type { Dataset } from './data/dataset.js';
import { compareOutputs } from './fit/agreement.js';
import { CoverageCounter, type StageCoverage } from './object-coverage.js';

/** How to run the adaptive network, and what to predict its latency for. */
export interface EvaluateOptions extends Omit<NetworkRunOptions, 'plan' | 'onProgress'> {
  /** Device whose latency is predicted, or its name; `this-machine` needs a calibration. Left out, nothing is predicted. */
  readonly device?: Device | DeviceName;
  /** Images at once; 16 when left out. */
  readonly batch?: number;
  /** Single-image runs whose median is the measured latency; 15 when left out. */
  readonly repeats?: number;
  readonly onProgress?: (done: number, count: number) => void;
}

/** Dense beside adaptive. */
export interface Pair {
  readonly dense: number;
  readonly adaptive: number;
}

/** Activation rates of one block, means over the images. */
export interface BlockRates {
  readonly block: number;
  readonly name: string;
  readonly stage: number;
  readonly granularity: number;
  readonly rate: number;
  readonly dilatedRate: number;
}

/** What `measureAccuracy` finds. */
export interface Evaluation {
  readonly model: string;
  readonly images: number;
  /** Fraction of images whose class is right; absent when the images' classes are not the network's, and for maps. */
  readonly accuracy?: Pair;
  /** Agreement with the dense network: same most probable class, and cosine of the logits. */
  readonly agreement: { readonly top1: number; readonly cosine: number };
  /** Rates of every block that ran adaptively, means over the images. */
  readonly blocks: readonly BlockRates[];
  /** By stage, when the objects' regions are known. */
  readonly coverage: readonly StageCoverage[];
  /** FLOPs relative to dense. */
  readonly flops: number;
  readonly latency: {
    /** Median time of one image on this machine, ms. */
    readonly measuredMs: Pair;
    readonly backend: string;
    readonly strategy: string;
    readonly threads: number;
    readonly predicted?: { readonly device: string } & { readonly ms: Pair };
  };
}

/**
 * Runs a network over a dataset densely and adaptively, in colour or grey as it takes images: accuracy, agreement, rates, and latency measured
 * and predicted.
 *
 * @throws FoveaError `bad-argument` for a batch or repeats below 1, or a network that takes no images, and what `run` and `predict` throw
 *
 * @example
 * ```ts
 * import { loadShippedModel } from '@fovea/engine';
 * import { generateDataset, measureAccuracy } from '@fovea/engine/train';
 *
 * const scenes = await generateDataset({ seed: 5, count: 16, size: 128 });
 * const { accuracy, agreement } = await measureAccuracy(await loadShippedModel(), scenes, { repeats: 1 });
 * console.log(accuracy.dense, accuracy.adaptive, agreement.top1);
 * ```
 */
export async function measureAccuracy(
  network: Network,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { device: wanted, batch = 16, repeats = 15, onProgress, ...running } = options;
  // Before anything runs: a name that is not known is found at once.
  const device = wanted === undefined ? undefined : resolveDevice(wanted);
  for (const [name, value] of Object.entries({ batch, repeats })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new FoveaError('bad-argument', `${name} ${value}: an integer of at least 1 is accepted`);
    }
  }
  const dense = { ...running, masker: 'random', rate: 1, strategy: 'dense' } as const;
  const channels = imageChannels(network);
  let classes = classIndices(network, dataset);
  const stages = new Map(blocksOf(network).map((block) => [block.index, block.stage]));
  const coverage = new CoverageCounter();
  const rates = new Map<number, BlockRates>();
  let [top1, cosine, right, denseRight, flops, denseFlops] = [0, 0, 0, 0, 0, 0];
  for (let first = 0; first < dataset.count; first += batch) {
    const order = Array.from({ length: Math.min(batch, dataset.count - first) }, (_, i) => first + i);
    const images = imagesOf(dataset, order, channels);
    const expected = await run(network, images, dense);
    const result = await run(network, images, running);
    const { output, masks, profile } = result;
    // A map has no single class to compare.
    if (topClasses(output, 0, 1).length === 0) classes = undefined;
    const compared = compareOutputs(output, expected.output);
    top1 += compared.top1 * order.length;
    cosine += compared.cosine * order.length;
    flops += profile.flops;
    denseFlops += expected.profile.flops;
    for (const [n, position] of order.entries()) {
      const label = classes?.[dataset.targets[position]!];
      if (label !== undefined && label === topClasses(output, n, 1)[0]?.class) right++;
      if (label !== undefined && label === topClasses(expected.output, n, 1)[0]?.class) denseRight++;
      if (!dataset.regions) continue;
      const plane = dataset.height * dataset.width;
      const region = dataset.regions.subarray(position * plane, (position + 1) * plane);
      for (const mask of masks) {
        const cells = mask.rows * mask.columns;
        coverage.add(
          stages.get(mask.block)!,
          mask.cells.subarray(n * cells, (n + 1) * cells),
          mask,
          region,
          dataset,
        );
      }
    }
    for (const { block, name, stage, granularity, rate, dilatedRate, mode } of profile.blocks) {
      if (mode !== 'adaptive') continue;
      const share = order.length / dataset.count;
      const sum = rates.get(block) ?? { block, name, stage, granularity, rate: 0, dilatedRate: 0 };
      rates.set(block, {
        ...sum,
        rate: sum.rate + share * rate,
        dilatedRate: sum.dilatedRate + share * dilatedRate,
      });
    }
    onProgress?.(first + order.length, dataset.count);
  }
  const blocks = [...rates.values()];
  const measured = await latencyOf(network, dataset, repeats, running, dense);
  const perBlock = blocksOf(network).map(({ index }) => rates.get(index)?.rate ?? 1);
  const granularity = blocksOf(network).map(({ index }) => rates.get(index)?.granularity ?? 1);
  const predicted = (strategy: NetworkRunOptions['strategy']) =>
    predict(network, {
      device: device!,
      batch: 1,
      height: dataset.height,
      width: dataset.width,
      rate: perBlock,
      granularity,
      maskers: resolveMaskers(network, running),
      ...(running.excitation === undefined ? {} : { excitation: running.excitation }),
      ...(strategy === undefined ? {} : { strategy }),
      ...(running.threads === undefined ? {} : { threads: running.threads }),
    }).totalMs;
  return {
    model: network.name,
    images: dataset.count,
    ...(classes ? { accuracy: { dense: denseRight / dataset.count, adaptive: right / dataset.count } } : {}),
    agreement: { top1: top1 / dataset.count, cosine: cosine / dataset.count },
    blocks,
    coverage: coverage.result(),
    flops: flopsLeft({ flops, flopsAvoided: denseFlops - flops }),
    latency: {
      ...measured,
      ...(device === undefined
        ? {}
        : {
            predicted: {
              device: device.name,
              ms: { dense: predicted('dense'), adaptive: predicted(running.strategy) },
            },
          }),
    },
  };
}

/** The network's class for each of the dataset's; undefined when one has no counterpart, or there are none. */
export function classIndices({ labels }: Network, dataset: Pick<Dataset, 'labels'>): number[] | undefined {
  if (dataset.labels.length === 0) return undefined;
  const found = dataset.labels.map((label) => labels?.indexOf(label) ?? -1);
  return found.includes(-1) ? undefined : found;
}

/** Medians of alternating dense and adaptive runs of single images, after one of each to warm up. */
async function latencyOf(
  network: Network,
  dataset: Dataset,
  repeats: number,
  adaptive: NetworkRunOptions,
  dense: NetworkRunOptions,
) {
  const times: { dense: number[]; adaptive: number[] } = { dense: [], adaptive: [] };
  let last = { source: '', strategy: '', threads: 1 };
  for (let i = -1; i < repeats; i++) {
    const image = imagesOf(dataset, [Math.max(0, i) % dataset.count], imageChannels(network));
    const [plain, masked] = [await run(network, image, dense), await run(network, image, adaptive)];
    if (i < 0) continue;
    times.dense.push(plain.profile.totalMs);
    times.adaptive.push(masked.profile.totalMs);
    last = masked.profile;
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  return {
    measuredMs: { dense: median(times.dense), adaptive: median(times.adaptive) },
    backend: last.source,
    strategy: last.strategy,
    threads: last.threads,
  };
}
