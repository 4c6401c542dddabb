import { expectArgument, expectOptions, type Kinds } from '../arguments/expect.js';
import { aCount, aDataset, aNetwork, later } from '../arguments/kinds.js';
import { imageChannels } from '../network/image-channels.js';
import { blocksOf, type Network } from '../network/network.js';
import type { Device } from '../plan/device.js';
import type { DeviceName } from '../predict/devices.js';
import { resolveDevice } from '../predict/options.js';
import { predict } from '../predict/predict.js';
import { resolveMaskers } from '../run/maskers.js';
import { median } from '../run/median.js';
import { type NetworkRunOptions, runOptionKinds } from '../run/options.js';
import { run } from '../run/run.js';
import { imagesOf } from './data/batches.js';
import type { Dataset } from './data/dataset.js';
import type { BlockRates, Evaluation, Pair } from './evaluation.js';
import { EvaluationTally } from './evaluation-tally.js';

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

const { plan: _, ...runningKinds } = runOptionKinds;
const evaluateOptionKinds: Kinds<EvaluateOptions> = {
  ...runningKinds,
  device: later,
  batch: aCount,
  repeats: aCount,
};

/**
 * Runs a network over a dataset densely and adaptively, in colour or grey as it takes images: accuracy, agreement, rates,
 * and latency measured and predicted.
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
  expectArgument(network, aNetwork, 'measureAccuracy: network');
  expectArgument(dataset, aDataset, 'measureAccuracy: dataset');
  expectOptions(options, evaluateOptionKinds, 'measureAccuracy');
  const { device: wanted, batch = 16, repeats = 15, onProgress, ...running } = options;
  // Before anything runs: a name that is not known is found at once.
  const device = wanted === undefined ? undefined : resolveDevice(wanted);
  const dense = { ...running, masker: 'random', rate: 1, strategy: 'dense' } as const;
  const channels = imageChannels(network);
  const tally = new EvaluationTally(network, dataset);
  for (let first = 0; first < dataset.count; first += batch) {
    const order = Array.from({ length: Math.min(batch, dataset.count - first) }, (_, i) => first + i);
    const images = imagesOf(dataset, order, channels);
    const expected = await run(network, images, dense);
    tally.add(order, expected, await run(network, images, running));
    onProgress?.(first + order.length, dataset.count);
  }
  const tallied = tally.result();
  return {
    model: network.name,
    images: dataset.count,
    ...tallied,
    latency: {
      ...(await latencyOf(network, dataset, repeats, running, dense)),
      ...(device ? { predicted: predictedLatency(network, dataset, device, running, tallied.blocks) } : {}),
    },
  };
}

/** Latency of one image on a device, at the rates that were measured. */
function predictedLatency(
  network: Network,
  { height, width }: Dataset,
  device: Device,
  running: NetworkRunOptions,
  rates: readonly BlockRates[],
): { readonly device: string; readonly ms: Pair } {
  const { excitation, threads } = running;
  const ofBlock = new Map(rates.map((each) => [each.block, each]));
  const blocks = blocksOf(network).map(({ index }) => ofBlock.get(index));
  const predicted = (strategy: NetworkRunOptions['strategy']) =>
    predict(network, {
      ...{ device, batch: 1, height, width },
      rate: blocks.map((block) => block?.rate ?? 1),
      granularity: blocks.map((block) => block?.granularity ?? 1),
      maskers: resolveMaskers(network, running),
      ...(excitation === undefined ? {} : { excitation }),
      ...(strategy === undefined ? {} : { strategy }),
      ...(threads === undefined ? {} : { threads }),
    }).totalMs;
  return { device: device.name, ms: { dense: predicted('dense'), adaptive: predicted(running.strategy) } };
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
  return {
    measuredMs: { dense: median(times.dense), adaptive: median(times.adaptive) },
    backend: last.source,
    strategy: last.strategy,
    threads: last.threads,
  };
}
