import { expectArgument, expectOptions, type Kinds } from '../arguments/expect.js';
import {
  aFunction,
  aNetwork,
  aNumber,
  aNumberOrNumbers,
  anObject,
  aTensor,
  numbers,
} from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import type { Masker } from '../mask/mask.js';
import { randomMasker } from '../mask/random-masker.js';
import { saliencyMasker } from '../mask/saliency.js';
import { describeNetwork } from '../network/describe.js';
import { blocksOf, type Network } from '../network/network.js';
import { type Granularity, resolveGranularity } from '../plan/granularity.js';
import { type NetworkRunOptions, runOptionKinds } from '../run/options.js';
import { run } from '../run/run.js';
import { usingNetwork } from '../run/sessions.js';
import { topClasses } from '../run/top-classes.js';
import { Tensor } from '../tensor.js';
import { bootstrap, type Interval } from './bootstrap-interval.js';
import { fitMaskers } from './fit/fit.js';

/** What masks are compared at, and on. */
export interface CompareOptions extends Pick<NetworkRunOptions, 'backend' | 'threads' | 'signal'> {
  /** Ratio of multiply-adds to compare at; what the network's own maskers leave when left out. */
  readonly flops?: number;
  /** Images that rates and maskers are set on; those compared on when left out. */
  readonly calibration?: Tensor;
  /** S of the masks; the network's own, or 1, when left out. */
  readonly granularity?: Granularity;
  /** Class of every image, where it is known. */
  readonly labels?: ArrayLike<number>;
  /** Which images belong together, as crops of one photograph: intervals are drawn over these. */
  readonly groups?: ArrayLike<number>;
  /** Other versions of the network with different maskers, by the name that they are reported under. */
  readonly others?: Readonly<Record<string, Network>>;
  readonly onProgress?: (done: number, count: number, name: string) => void;
}

/** How one kind of masks does at the FLOPs compared at. */
export interface Comparison {
  /** `learned`, a name of `others`, `fitted`, `saliency`, `random`, or `dense at H x W`. */
  readonly name: string;
  /** Multiply-adds relative to the dense network's at the full size, as measured. */
  readonly flops: number;
  /** Share of the images whose most probable class is the dense network's. */
  readonly agreement: Interval;
  /** How much more often the first agrees, over the same images. */
  readonly behindFirst: Interval;
  /** Share of the images whose class is right, where it is known. */
  readonly accuracy?: Interval;
}

const { backend, threads, signal } = runOptionKinds;
const compareOptionKinds: Kinds<CompareOptions> = {
  ...{ backend, threads, signal },
  calibration: aTensor,
  flops: aNumber,
  granularity: aNumberOrNumbers,
  groups: numbers,
  labels: numbers,
  others: anObject,
  onProgress: aFunction,
};

/** Images that run at once. */
const batch = 16;

/**
 * Compares maskers at equal FLOPs: the network's own, others, fitted ones, saliency, random, and the dense network at a
 * smaller input. Rates are searched on the calibration images, so that none has its FLOPs from what it is judged on.
 *
 * @param images `[N, H, W, C]`, normalised
 * @throws FoveaError `bad-argument` for options out of range, or without `flops` where the network has no maskers, and
 *   what `run` throws
 */
export async function compareMaskers(
  network: Network,
  images: Tensor,
  options: CompareOptions = {},
): Promise<Comparison[]> {
  expectArgument(network, aNetwork, 'compareMaskers: network');
  expectArgument(images, aTensor, 'compareMaskers: images');
  expectOptions(options, compareOptionKinds, 'compareMaskers');
  for (const [name, other] of Object.entries(options.others ?? {}))
    expectArgument(other, aNetwork, `compareMaskers: others.${name}`);
  const { calibration = images, labels, others = {}, onProgress } = options;
  const count = images.shape[0];
  if ((options.groups && options.groups.length !== count) || (labels && labels.length !== count)) {
    throw new FoveaError(
      'bad-argument',
      `labels and groups: one for each of the ${count} images is accepted`,
    );
  }
  const groups = options.groups ?? Array.from({ length: count }, (_, i) => i);
  const running: NetworkRunOptions = {
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const learned = blocksOf(network).some(({ masker }) => masker !== undefined);
  const own = { ...running, masker: 'learned' as const };
  const answers = learned ? await classesOf(network, images, own) : undefined;
  const target = options.flops ?? answers?.flops;
  if (target === undefined || !(target > 0 && target < 1)) {
    const said = target === undefined ? 'the network has no maskers of its own' : `flops ${target}`;
    throw new FoveaError('bad-argument', `${said}: a ratio above 0 and below 1 is accepted to compare at`);
  }
  const granularity = resolveGranularity(network, options.granularity);
  return usingNetwork(withoutMaskers(network, granularity), async (bare) => {
    const contenders: Contender[] = [
      ...(answers ? [{ name: 'learned', answer: async () => answers }] : []),
      ...Object.entries(others).map(([name, other]) => ({
        name,
        answer: () => classesOf(other, images, own),
      })),
      ...withoutLearning(bare, images, calibration, granularity, target, running),
    ];
    const reference = await classesOf(bare, images, { ...running, ...dense });
    const rows: Comparison[] = [];
    let first: readonly number[] | undefined;
    for (const [i, { name, answer }] of contenders.entries()) {
      onProgress?.(i, contenders.length, name);
      const { classes, flops } = await answer();
      const agrees = sameAs(reference.classes, classes);
      first ??= agrees;
      const behind = agrees.map((value, n) => first![n]! - value);
      rows.push({
        name,
        flops,
        agreement: bootstrap(agrees, groups),
        behindFirst: bootstrap(behind, groups),
        ...(labels ? { accuracy: bootstrap(sameAs(labels, classes), groups) } : {}),
      });
    }
    return rows;
  });
}

/** One kind of masks, and how to get its answers at the FLOPs compared at. */
interface Contender {
  readonly name: string;
  readonly answer: () => Promise<Answers>;
}

/** What needs no maskers of the network's own: fitted ones, saliency, random, and the dense network at a smaller input. */
function withoutLearning(
  bare: Network,
  images: Tensor,
  calibration: Tensor,
  granularity: Granularity,
  target: number,
  running: NetworkRunOptions,
): Contender[] {
  const atRate = (make: (rate: number) => Masker) => async () => {
    const rate = await searchRate(bare, calibration, make, target, running);
    return classesOf(bare, images, { ...running, masker: make(rate) });
  };
  const contenders: Contender[] = [
    { name: 'fitted', answer: () => fitted(bare, images, calibration, granularity, target, running) },
    { name: 'saliency', answer: atRate(saliencyMasker) },
    { name: 'random', answer: atRate(randomMasker) },
  ];
  const side = smallerSide(bare, images, target);
  if (!side) return contenders;
  const answer = async () => {
    const { classes } = await classesOf(bare, shrunk(images, side), { ...running, ...dense });
    return { classes, flops: side.flops };
  };
  return [...contenders, { name: `dense at ${side.height} x ${side.width}`, answer }];
}

/** 1 for every image whose class is the expected one, 0 for the others. */
const sameAs = (expected: ArrayLike<number>, classes: readonly number[]): number[] =>
  classes.map((found, n) => (found === expected[n] ? 1 : 0));

const dense = { masker: 'random', rate: 1, strategy: 'dense' } as const;

interface Answers {
  readonly classes: readonly number[];
  readonly flops: number;
}

/** The most probable class of every image, and the FLOPs relative to dense. */
async function classesOf(network: Network, images: Tensor, options: NetworkRunOptions): Promise<Answers> {
  const [count, height, width, channels] = images.shape;
  const plane = height * width * channels;
  const classes: number[] = [];
  let [flops, avoided] = [0, 0];
  for (let first = 0; first < count; first += batch) {
    const size = Math.min(batch, count - first);
    const part = new Tensor(
      [size, height, width, channels],
      images.data.subarray(first * plane, (first + size) * plane),
    );
    const { output, profile } = await run(network, part, options);
    flops += profile.flops;
    avoided += profile.flopsAvoided;
    for (let n = 0; n < size; n++) {
      const best = topClasses(output, n, 1)[0];
      if (!best)
        throw new FoveaError('unsupported', `${network.name} outputs a map; only classes can be compared`);
      classes.push(best.class);
    }
  }
  return { classes, flops: flops / (flops + avoided) };
}

function withoutMaskers(network: Network, granularity: readonly number[]): Network {
  const nodes = network.nodes.map((node) => {
    if (node.kind !== 'block') return node;
    const { masker: _, ...block } = node.block;
    return { ...node, block: { ...block, granularity: granularity[block.index]! } };
  });
  return { ...network, nodes };
}

async function fitted(
  bare: Network,
  images: Tensor,
  calibration: Tensor,
  granularity: Granularity,
  flopsTarget: number,
  running: NetworkRunOptions,
): Promise<Answers> {
  const { backend, threads } = running;
  const { network } = await fitMaskers(bare, calibration, {
    granularity,
    flopsTarget,
    ...(backend === undefined ? {} : { backend }),
    ...(threads === undefined ? {} : { threads }),
  });
  return usingNetwork(network, (made) => classesOf(made, images, { ...running, masker: 'learned' }));
}

/** The rate at which masks leave the FLOPs asked for, by halving. */
async function searchRate(
  network: Network,
  images: Tensor,
  make: (rate: number) => Masker,
  target: number,
  running: NetworkRunOptions,
): Promise<number> {
  let [low, high] = [0, 1];
  for (let i = 0; i < 9; i++) {
    const rate = (low + high) / 2;
    const { flops } = await classesOf(network, images, { ...running, masker: make(rate) });
    if (flops > target) high = rate;
    else low = rate;
  }
  return (low + high) / 2;
}

/** The largest input of the same proportions that leaves at most the FLOPs asked for; undefined when none fits. */
function smallerSide(network: Network, { shape: [, height, width] }: Tensor, target: number) {
  const full = describeNetwork(network, { height, width }).flops;
  for (let to = height - 1; to >= 16; to--) {
    const size = { height: to, width: Math.max(1, Math.round((width * to) / height)) };
    try {
      const flops = describeNetwork(network, size).flops / full;
      if (flops <= target) return { ...size, flops };
    } catch (error) {
      if (!(error instanceof FoveaError && error.code === 'bad-shape')) throw error;
    }
  }
  return undefined;
}

/** Images at a smaller size: each pixel the mean of the area that it covers. */
function shrunk(
  { shape: [N, H, W, C], data }: Tensor,
  to: { readonly height: number; readonly width: number },
): Tensor {
  const spans = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => {
      const [begin, end] = [(i * from) / count, ((i + 1) * from) / count];
      return Array.from({ length: Math.ceil(end) - Math.floor(begin) }, (_, k) => {
        const at = Math.floor(begin) + k;
        return { at, share: (Math.min(end, at + 1) - Math.max(begin, at)) / (end - begin) };
      });
    });
  const [rows, columns] = [spans(H, to.height), spans(W, to.width)];
  const result = Tensor.zeros([N, to.height, to.width, C]);
  let out = 0;
  for (let n = 0; n < N; n++) {
    for (const row of rows) {
      for (const column of columns) {
        for (const y of row) {
          for (const x of column) {
            const from = ((n * H + y.at) * W + x.at) * C;
            for (let c = 0; c < C; c++) result.data[out + c]! += y.share * x.share * data[from + c]!;
          }
        }
        out += C;
      }
    }
  }
  return result;
}
