import { Random } from '@fovea/engine';
import { FAMILIES } from './architectures.js';
import type { BlockCase, Case, MaskerKind, RunCase, StemCase } from './case.js';
import { inputChannels, isAdaptive } from './case.js';
import { networkOf } from './network.js';
import { randomPlan, strategyNames } from './plans.js';

export interface GenerateOptions {
  /** Multiply-adds of one picture, at most. */
  readonly multiplyAdds: number;
  /** Input sides are drawn from this range. */
  readonly sides: readonly [least: number, most: number];
  /** Runs that are compared, besides the plain one. */
  readonly runs: number;
}

const RATES = [0, 0.05, 0.2, 0.35, 0.5, 0.5, 0.7, 0.9, 1];
const MASKERS: readonly MaskerKind[] = ['learned', 'saliency', 'fixed', 'random', 'custom', 'custom-later'];

/** Multiply-adds that the reference takes less than a second for. */
const QUICK_FOR_REFERENCE = 2e7;

/** A case drawn from a seed: the same for the same options on every machine. */
export function generate(seed: number, options: GenerateOptions): Case {
  for (let attempt = 0; ; attempt++) {
    const random = new Random(seed, attempt);
    const test = draw(seed, random, options);
    if (multiplyAdds(test) <= options.multiplyAdds)
      return { ...test, runs: drawRuns(test, random, options.runs) };
  }
}

function draw(seed: number, random: Random, { sides }: GenerateOptions): Case {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const coin = (probability: number) => random.next() < probability;
  const between = (least: number, most: number) => least + random.below(most - least + 1);

  const family = pick(FAMILIES);
  const first = random.below(family.stages.length);
  const last = Math.min(family.stages.length - 1, first + random.below(3));
  // What the stages before the first would have made of the map, the stem makes of it.
  const reduction = 2 << Math.min(first, 2);
  const pool = family.pool && coin(0.8);
  const stem: StemCase = {
    channels: first === 0 ? family.stem : family.stages[first - 1]!.channels,
    kernel: pick([3, 3, 5, 7]),
    stride: Math.max(1, coin(0.3) ? reduction >> 1 : reduction),
    pool,
  };
  const squarish = coin(0.4);
  const height = between(...sides);
  const width = squarish ? height : between(...sides);

  const masker = pick(MASKERS);
  const mixedMaskers = coin(0.3);
  const rate = pick(RATES);
  const granular = coin(0.6) ? pick([1, 2, 4, 7, 8]) : undefined;
  const kernel = coin(0.9) ? 3 : 5;
  const blocks: BlockCase[] = [];
  for (let stage = first; stage <= last; stage++) {
    const { width: inside, channels, groups = 1, squeeze = 0 } = family.stages[stage]!;
    const count = between(1, 3);
    const S = granular ?? pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 28]);
    for (let position = 0; position < count; position++) {
      blocks.push({
        kind: family.kind,
        width: inside,
        channels,
        stride: position === 0 && (stage > first || coin(0.4)) ? 2 : 1,
        stridesFirst: family.kind === 'bottleneck' && coin(0.1),
        kernel,
        dilation: coin(0.05) ? 2 : 1,
        groups,
        squeeze,
        squeezesLast: family.squeezesLast ?? false,
        inner: coin(0.93) ? family.inner : pick(['hardswish', 'silu', 'relu6'] as const),
        outer: coin(0.93) ? family.outer : pick(['none', 'relu', 'relu6', 'silu'] as const),
        granularity: coin(0.85) ? S : pick([0, 1, 3, 5, 7]),
        masker: mixedMaskers ? pick(MASKERS) : masker,
        rate: coin(0.8) ? rate : pick(RATES),
        dense: coin(0.06),
      });
    }
  }
  const pictures = pick([1, 1, 2, 2, 3]);
  const test: Case = {
    seed,
    stem,
    blocks,
    skips: [],
    classes: coin(0.25) ? 10 : 0,
    height,
    width,
    pictures,
    excitation: coin(0.7) ? 'exact' : 'active',
    runs: [],
  };
  return coin(0.25) ? { ...test, skips: skipsOf(test, coin) } : test;
}

/** Additions between blocks of the same shape. */
function skipsOf({ blocks }: Case, coin: (probability: number) => boolean): Case['skips'] {
  const skips: { after: number; of: number }[] = [];
  blocks.forEach((block, after) => {
    const of = after - 1;
    if (of >= 0 && block.stride === 1 && block.channels === blocks[of]!.channels && coin(0.5)) {
      skips.push({ after, of });
    }
  });
  return skips;
}

function drawRuns(test: Case, random: Random, count: number): RunCase[] {
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
    const { kind, width: inside, channels, stride, kernel } = block;
    const inChannels = inputChannels(test, index);
    const groups = kind === 'inverted' ? inside : block.groups;
    const before = height * width;
    shrink(stride);
    const after = height * width;
    total +=
      kind === 'single'
        ? after * kernel ** 2 * inChannels * channels
        : kind === 'basic'
          ? after * kernel ** 2 * inside * (inChannels + channels)
          : before * inChannels * inside + after * inside * ((inside / groups) * kernel ** 2 + channels);
    if (isAdaptive(block, inChannels) && (stride > 1 || channels !== inChannels))
      total += after * inChannels * channels;
  });
  return total;
}
