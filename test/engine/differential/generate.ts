import { Random } from '@fovea/engine';
import type { Activation, ConvolutionActivation } from '@fovea/engine/backend';
import { pixelWeightings } from '../../../engine/src/network/pixel-attention.js';
import { interpolations } from '../../../engine/src/network/sampling.js';
import { ATTENTION_KINDS } from '../support/attention.js';
import { FAMILIES, type Family, NETWORKS, wholeNetwork } from './architectures.js';
import type { BlockCase, Case, JoinCase, MaskerKind, StemCase } from './case.js';
import { drawRuns, multiplyAdds } from './runs.js';

export interface GenerateOptions {
  /** Multiply-adds of one picture, at most. */
  readonly multiplyAdds: number;
  /** Input sides are drawn from this range. */
  readonly sides: readonly [least: number, most: number];
  /** Runs that are compared, besides the plain one. */
  readonly runs: number;
}

const RATES = [0, 0.05, 0.2, 0.35, 0.5, 0.5, 0.7, 0.9, 1];
const ACTIVATIONS: readonly Activation[] = [
  'none',
  'relu',
  'relu6',
  'silu',
  'hardswish',
  'mish',
  'gelu',
  'gelu-tanh',
  'leaky-relu 0.1',
];
const INNER: readonly ConvolutionActivation[] = [...ACTIVATIONS, 'prelu'];
const MASKERS: readonly MaskerKind[] = ['learned', 'saliency', 'fixed', 'random', 'custom', 'custom-later'];

/** By how much maps are made larger before they are joined. */
const FACTORS = [
  [1, 1],
  [1, 1],
  [2, 2],
  [2, 2],
  [3, 1],
  [1, 2],
  [4, 3],
] as const;
/** The first stream of numbers that joins are drawn from. */
const JOINED = 1_000_000;

/** A case drawn from a seed: the same for the same options on every machine. */
export function generate(seed: number, options: GenerateOptions): Case {
  for (let attempt = 0; ; attempt++) {
    const random = new Random(seed, attempt);
    const plain = draw(seed, random, options);
    // Numbers of its own, so that the rest is what it is without.
    const own = new Random(seed, JOINED + attempt);
    const joins = own.next() < 0.3 ? joinsOf(plain, own) : [];
    const test = joins.length > 0 ? { ...plain, joins } : plain;
    if (multiplyAdds(test) <= options.multiplyAdds)
      return { ...test, runs: drawRuns(test, random, options.runs) };
  }
}

/** A whole network at a size that people use, drawn from a seed. */
export function generateWhole(seed: number): Case {
  const random = new Random(seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const [family, counts] = pick(NETWORKS);
  const height = pick([192, 224, 224, 256, 320, 416, 448]);
  const S = counts.map(() => pick([0, 1, 2, 3, 4, 5, 7, 8]));
  const test: Case = {
    ...wholeNetwork(family, counts, S, pick(MASKERS), pick([0.2, 0.5, 0.8])),
    ...{ seed, skips: [], classes: random.next() < 0.5 ? 1000 : 0 },
    height,
    width: random.next() < 0.6 ? height : height - 64,
    pictures: 1 + random.below(3),
    excitation: random.next() < 0.7 ? 'exact' : 'active',
    runs: [],
  };
  return { ...test, runs: drawRuns(test, random, 7) };
}

function draw(seed: number, random: Random, { sides }: GenerateOptions): Case {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const coin = (probability: number) => random.next() < probability;
  const between = (least: number, most: number) => least + random.below(most - least + 1);

  const family: Family = pick(Object.values(FAMILIES));
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
  const kernel = coin(0.8) ? (family.kernel ?? 3) : pick([1, 2, 4, 5, 5, 7]);
  const kernelWidth = coin(0.9) ? undefined : pick([1, 2, 3, 5]);
  // Most networks are of one style throughout; what is rare in a network has to be common in another to be tested.
  const inner = coin(0.85) ? family.inner : pick(INNER);
  const outer = coin(0.8) ? family.outer : pick(ACTIVATIONS);
  const pooledShortcut = coin(0.25);
  const attention = coin(0.4) ? 'squeeze' : pick(ATTENTION_KINDS);
  const shift = coin(0.9) ? 0 : pick([-1, 1]);
  const samePadding = coin(0.8) ? undefined : pick(['upper', 'lower'] as const);
  const normalised = coin(0.85) ? family.normalised : pick(['spatial', 'all'] as const);
  const uncentred = normalised !== undefined && coin(0.3);
  const pools = coin(0.15);
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
        ...(kernelWidth === undefined ? {} : { kernelWidth }),
        dilation: coin(0.05) ? 2 : 1,
        shift: coin(0.95) ? shift : pick([-1, 0, 1]),
        ...(samePadding ? { samePadding } : {}),
        groups,
        ...(normalised ? { normalised } : {}),
        ...(uncentred ? { uncentred } : {}),
        squeeze,
        squeezesLast: family.squeezesLast ?? false,
        ...(attention === 'squeeze' ? {} : { attention }),
        ...(pools ? { pools } : {}),
        ...(pooledShortcut ? { pooledShortcut } : {}),
        inner: coin(0.95) ? inner : pick(INNER),
        outer: coin(0.95) ? outer : pick(ACTIVATIONS),
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

/** Most products of a map and itself one behind the other: of more of them the values are beyond single precision. */
const MOST_PRODUCTS = 2;

/** Most pairs of a pixel and one that it attends to. */
const MOST_PAIRS = 200_000;

/** Joins behind a third of the blocks that have an earlier one of the same shape, or the block itself. */
function joinsOf({ blocks, height, width, stem }: Case, random: Random): readonly JoinCase[] {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  let left = MOST_PRODUCTS;
  return blocks.flatMap((block, after): JoinCase[] => {
    const before = block.stride === 1 && blocks[after - 1]?.channels === block.channels ? after - 1 : after;
    const join = { after, of: before, factor: pick(FACTORS), interpolation: pick(interpolations) };
    if (random.next() >= 1 / 3) return [];
    const first = random.next();
    const wanted = pick([undefined, 'scale', 'scaled', 'square', 'pixels'] as const);
    const product = wanted && left > 0 ? wanted : undefined;
    const statistics = pick([undefined, undefined, 'moments', 'response'] as const);
    const drawn = pick([undefined, undefined, ...pixelWeightings]);
    const windows = pick([undefined, 'plain', 'shifted'] as const);
    const strides = blocks.slice(0, after + 1).reduce((product, { stride }) => product * stride, 1);
    const side = (extent: number) => Math.ceil(extent / (stem.stride * (stem.pool ? 2 : 1) * strides));
    const pixels = side(height) * side(width);
    // Every pixel reads all that it sees, several times over in plain loops.
    const attends = pixels ** 2 * join.factor[0] * join.factor[1] <= MOST_PAIRS ? drawn : undefined;
    if (product) left--;
    return [
      {
        ...{ ...join, first },
        ...(product ? { product } : {}),
        ...(statistics ? { statistics } : {}),
        ...(attends ? { attends, ...(windows ? { windows } : {}) } : {}),
      },
    ];
  });
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
