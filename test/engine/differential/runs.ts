import type { Random } from '@fovea/engine';
import { type Case, inputChannels, isAdaptive, type RunCase } from './case.js';
import { networkOf } from './network.js';
import { randomPlan, strategyNames } from './plans.js';

/** Multiply-adds that the reference takes less than a second for. */
const QUICK_FOR_REFERENCE = 2e7;

/**
 * Runs of a case, at random: the plain one first, then `count` or one more.
 */
export function drawRuns(test: Case, random: Random, count: number): RunCase[] {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const coin = (probability: number) => random.next() < probability;
  const network = networkOf(test, false);
  const everything = Array.from({ length: test.pictures }, (_, n) => n);
  // Random places depend on an image's position in the batch.
  const placed = test.blocks.some(({ masker }) => masker === 'random');
  const batches = [
    everything,
    ...(placed ? everything.map((n) => everything.slice(0, n + 1)) : everything.map((n) => [n])),
    ...(placed || test.pictures === 1 ? [] : [[...everything].reverse()]),
  ];
  const plain: RunCase = {
    backend: 'native',
    plan: 'unfused',
    threads: 1,
    bandPixels: 0,
    batch: everything,
  };
  const runs: RunCase[] = [plain, { ...plain, plan: 'streamed', threads: 2 }];
  if (multiplyAdds(test) * test.pictures < QUICK_FOR_REFERENCE) {
    const plan = coin(0.5) ? randomPlan(test, network, random) : pick(strategyNames);
    runs.push({ ...plain, backend: 'reference', plan });
  }
  while (runs.length <= count) {
    const backend = coin(0.88) ? 'native' : 'onnx';
    const run: RunCase = {
      backend,
      plan: coin(0.45) ? randomPlan(test, network, random) : pick(strategyNames),
      threads: pick([1, 2, 2, 3]),
      bandPixels: backend === 'native' && coin(0.6) ? pick([1, 5, 16, 40, test.width >> 2, 200]) : 0,
      batch: pick(batches),
      ...(coin(0.25) ? { rewrite: random.below(1e6) } : {}),
    };
    runs.push(run);
    // The same with another number of threads: the answer must not change by a bit.
    if (backend === 'native' && coin(0.3)) runs.push({ ...run, threads: run.threads === 1 ? 2 : 1 });
  }
  return runs;
}

/** Multiply-adds of one picture when everything is computed. */
export function multiplyAdds(test: Case): number {
  let [height, width] = [test.height, test.width];
  const shrink = (stride: number) => {
    height = Math.ceil(height / stride);
    width = Math.ceil(width / stride);
  };
  shrink(test.stem.stride);
  let total = height * width * 3 * test.stem.channels * test.stem.kernel ** 2;
  if (test.stem.pool) shrink(2);
  test.blocks.forEach((block, index) => {
    const { kind, width: inside, channels, stride, kernel, kernelWidth = kernel } = block;
    const inChannels = inputChannels(test, index);
    const groups = kind === 'inverted' ? inside : block.groups;
    const before = height * width;
    shrink(stride);
    const after = height * width;
    total +=
      kind === 'convnext'
        ? after * (kernel * kernelWidth * inChannels + inside * (inChannels + channels))
        : kind === 'separable'
          ? before * (kernel * kernelWidth * (inChannels + inside) + inside * (inChannels + inside)) +
            after * inside * (kernel * kernelWidth + channels)
          : kind === 'single'
            ? after * kernel * kernelWidth * inChannels * channels
            : kind === 'basic'
              ? after * kernel * kernelWidth * inside * (inChannels + channels)
              : before * inChannels * inside +
                after * inside * ((inside / groups) * kernel * kernelWidth + channels);
    if (isAdaptive(block, inChannels) && (stride > 1 || channels !== inChannels))
      total += after * inChannels * channels;
  });
  return total;
}
