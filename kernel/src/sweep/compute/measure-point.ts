import { type Network, type NetworkRunOptions, Random, run, Tensor } from '@fovea/engine';
import { compareOutputs, flopsLeft, median } from '@fovea/engine/internal';
import { measureAccuracy } from '@fovea/engine/train';
import type { Point, PointResult } from '../point.js';
import { engineGranularity } from '../space/networks.js';
import { datasetOf, networkOf, type PointContext } from './context.js';

/** Timed runs by default. */
const RUNS = 15;

/** How a point's network is to be run. */
export function runningOf(point: Point): Omit<NetworkRunOptions, 'onProgress'> & {
  readonly strategy?: string;
  readonly backend?: string;
} {
  const { granularity, rate, strategy, masker, backend, threads, repeat } = point;
  return {
    ...(granularity === undefined ? {} : { granularity: engineGranularity(granularity) }),
    ...(rate === undefined ? {} : { rate }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(masker === undefined ? {} : { masker: masker as 'random' }),
    ...(backend === undefined ? {} : { backend }),
    ...(threads === undefined ? {} : { threads }),
    // Other masks in every repetition, the same ones in every strategy.
    ...(masker === 'random' ? { seed: repeat } : {}),
  };
}

/** Latency of one image, dense and adaptive in turns, beside agreement, accuracy where classes are known, and FLOPs. */
export async function measurePoint(point: Point, context: PointContext): Promise<PointResult> {
  const network = await networkOf(point, context.materials);
  const running = runningOf(point);
  const runs = point.runs ?? RUNS;
  const drawn = point.data === undefined || 'seed' in point.data;
  const { channels } = network.inputShape;
  if (drawn && channels !== 1 && channels !== 3) return measureOnNoise(network, running, runs, context);
  const dataset = await datasetOf(point, network, context);
  const { latency, accuracy, agreement, blocks, flops, images } = await measureAccuracy(network, dataset, {
    ...running,
    repeats: runs,
    onProgress: (done, count) => context.onProgress(0.3 + (0.4 * done) / count),
  });
  const { measuredMs, backend, strategy, threads } = latency;
  return {
    ...{ images, latencyMs: measuredMs, speedup: measuredMs.dense / measuredMs.adaptive },
    ...(accuracy ? { accuracy } : {}),
    ...{ agreement, flops, rate: mean(blocks.map(({ rate }) => rate)), source: backend, strategy, threads },
  };
}

/** For networks that take no images: the same figures on seeded noise. */
async function measureOnNoise(
  network: Network,
  running: ReturnType<typeof runningOf>,
  runs: number,
  { onProgress }: PointContext,
): Promise<PointResult> {
  const { height, width, channels } = network.inputShape;
  const image = Tensor.zeros([1, height, width, channels]);
  const random = new Random(1);
  for (let i = 0; i < image.data.length; i++) image.data[i] = random.normal();
  const dense = { ...running, masker: 'random', rate: 1, strategy: 'dense' } as const;
  const times: { dense: number[]; adaptive: number[] } = { dense: [], adaptive: [] };
  for (let i = -1; ; i++) {
    const plain = await run(network, image, dense);
    const { output, profile } = await run(network, image, running);
    if (i >= 0) {
      times.dense.push(plain.profile.totalMs);
      times.adaptive.push(profile.totalMs);
    }
    onProgress((i + 1) / runs);
    if (i < runs - 1) continue;
    const latencyMs = { dense: median(times.dense), adaptive: median(times.adaptive) };
    const { source, strategy, threads, blocks } = profile;
    const adaptive = blocks.filter(({ mode }) => mode === 'adaptive');
    return {
      ...{ images: 1, latencyMs, speedup: latencyMs.dense / latencyMs.adaptive },
      agreement: compareOutputs(output, plain.output),
      flops: flopsLeft(profile),
      rate: mean(adaptive.map(({ rate }) => rate)),
      ...{ source, strategy, threads },
    };
  }
}

/** Nothing for no values: a network that ran densely has no rate. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
