import { expectArgument, expectOptions, type Kinds } from '../../arguments/expect.js';
import {
  aCount,
  aFunction,
  aNetwork,
  aNumber,
  aNumberOrNumbers,
  anImage,
  anInteger,
  aSignal,
  aSize,
  aTensor,
  aText,
  either,
  listOf,
  oneOf,
} from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import type { RgbImage } from '../../image/decode.js';
import { type Normalisation, statisticsOf } from '../../image/normalise.js';
import { preprocessingKinds } from '../../image/preprocess.js';
import type { ImageSize } from '../../image/scale.js';
import { imageChannels } from '../../network/image-channels.js';
import { type Block, blocksOf, type LearnedMasker, type Network } from '../../network/network.js';
import { learnShapes, networkShapes } from '../../network/walk.js';
import { type Granularity, resolveGranularity } from '../../plan/granularity.js';
import { ambientSignal } from '../../run/ambient-signal.js';
import { defaultThreads } from '../../run/prepare.js';
import { releaseNetwork, usingNetwork } from '../../run/sessions.js';
import { Tensor } from '../../tensor.js';
import { checkThreads } from '../../threads.js';
import { holdingCheckpoint } from '../checkpoint-lock.js';
import { fitMaskers } from '../fit/fit.js';
import type { AdaptProgress } from './clock.js';
import { imagesHash, networkHash } from './hashes.js';
import { splitImages } from './held-back.js';
import { Judge } from './judge.js';
import { LearnedValues, normsAfter, savesWork } from './learned-values.js';
import { meetFlops } from './meet-flops.js';
import { type AdaptSettings, buildAdaptGraph, trainablePart } from './network-graph.js';
import { standardise } from './settle.js';
import { type AdaptIdentity, type AdaptState, loadAdaptState } from './state.js';
import { behindStem, runStem, type Stem, stemOf } from './stem.js';
import { takeSteps } from './take-steps.js';

/** How maskers are adapted; everything has a default. */
export interface AdaptOptions extends Normalisation {
  /** Ratio of multiply-adds to the dense network's that the masks should leave; 0.6 when left out. */
  readonly flops?: number;
  /** S: one for all, per stage, or per block; what leaves about 14 cells a side when left out. */
  readonly granularity?: Granularity;
  /** What is learned besides maskers: nothing, or the scale and shift of every convolution's channels. */
  readonly tune?: 'maskers' | 'norms';
  /** Steps of the optimiser; 400 when left out. */
  readonly steps?: number;
  /** Images a step; 8 when left out. */
  readonly batch?: number;
  /** Input size; the network's own when left out. Tensors have theirs. */
  readonly size?: ImageSize;
  /** Learning rate at the start of its cosine; 0.02 when left out. */
  readonly rate?: number;
  readonly seed?: number;
  readonly threads?: number;
  /** File that the run's state is kept in; without it nothing is saved. An existing one is gone on from. */
  readonly checkpoint?: string;
  /**
   * Most steps between saves; 50 when left out. The fitted maskers that learning starts from are saved as well, and
   * whatever steps a minute has taken.
   */
  readonly saveEvery?: number;
  /**
   * Ends after the step in hand, with the state saved; the promise rejects with FoveaError `aborted`. In a notebook's cell
   * the cell's own when left out.
   */
  readonly signal?: AbortSignal;
  /** Called about once a second. */
  readonly onProgress?: (progress: AdaptProgress) => void;
}

/** A block whose mask was learned. */
export interface AdaptedBlock {
  readonly block: number;
  readonly name: string;
  readonly granularity: number;
  /** Active fraction of the cells on a sample of the images. */
  readonly rate: number;
}

/** What adapting gives. */
export interface AdaptResult {
  /** The network with its maskers. */
  readonly network: Network;
  readonly blocks: readonly AdaptedBlock[];
  /** Ratio of multiply-adds to the dense network's on a sample of the images. */
  readonly flops: number;
  /** Which of the states that learning went through this is, and how it was judged. */
  readonly kept: KeptState;
}

/** The best of the states that an adaptation went through, judged on images that no step learned from. */
export interface KeptState {
  /** Steps done then; 0 for the fitted maskers that learning starts from. */
  readonly step: number;
  /**
   * How far its answers are from the dense network's at the FLOPs asked for: the mean relative squared distance, plus the
   * Kullback-Leibler divergence where they are classes.
   */
  readonly divergence: number;
  /** The same of the fitted maskers. */
  readonly fitted: number;
  /** Images held back for this; 0 where too few were given, so that other crops of the same ones were judged. */
  readonly heldBack: number;
}

const adaptOptionKinds: Kinds<AdaptOptions> = {
  flops: aNumber,
  granularity: aNumberOrNumbers,
  steps: aCount,
  batch: aCount,
  seed: anInteger,
  rate: aNumber,
  tune: oneOf(['maskers', 'norms']),
  threads: aNumber,
  size: aSize,
  // A network's own says how to scale as well, and is given whole.
  ...preprocessingKinds,
  checkpoint: aText,
  saveEvery: aCount,
  signal: aSignal,
  onProgress: aFunction,
};

/** Cells a side that masks get when nothing is said: fewer see little, more pay for their halos. */
const cellsASide = 14;

/** Images that represent the whole set, and images that are held out. */
const sampleSize = 32;

/**
 * Learns the maskers of a network that was never trained for masks, without labels: the network is frozen, and masks
 * drawn by straight-through Gumbel-softmax are made to leave its answers as they are at fewer FLOPs. The loss is the
 * divergence of the adaptive from the dense logits, the distance of the maps at the stages' ends, and LASNet's bounds on
 * FLOPs, tight at first, then loose. `fitMaskers` gives the start. A fifth of the images, at most 32, is held back: on
 * these the start and states along the way are judged at equal FLOPs, and the best is what is returned. At the end all
 * margins are shifted alike, so that the masks of inference, drawn without noise, leave the FLOPs asked for.
 *
 * @param images `[N, H, W, C]`, normalised as the network expects, or photographs, which random crops are taken of
 * @throws FoveaError `bad-argument` for options out of range, `unsupported` for a network that gradients cannot go
 *   through, `diverged`, `aborted`, `io` when saving fails, `bad-file` for a checkpoint of another run, `bad-argument` while
 *   another run keeps its state there, `backend-unavailable` without native kernels
 */
export async function adaptMaskers(
  network: Network,
  images: Tensor | readonly RgbImage[],
  options: AdaptOptions = {},
): Promise<AdaptResult> {
  expectArgument(network, aNetwork, 'adaptMaskers: network');
  expectArgument(
    images,
    either(aTensor, listOf(anImage, 'images as readPhotos reads')),
    'adaptMaskers: images',
  );
  expectOptions(options, adaptOptionKinds, 'adaptMaskers');
  const {
    flops = 0.6,
    steps = 400,
    batch = 8,
    seed = 1,
    tune = 'maskers',
    rate = 0.02,
    threads = defaultThreads(),
    signal = ambientSignal(),
  } = options;
  const settled = {
    ...options,
    flops,
    steps,
    batch,
    seed,
    tune,
    rate,
    threads,
    ...(signal ? { signal } : {}),
  };
  check(network, images, settled);
  return holdingCheckpoint(options.checkpoint, signal, () => adaptFromCheckpoint(network, images, settled));
}

/** Options with what holds where nothing is said. */
type SettledOptions = AdaptOptions &
  Required<Pick<AdaptOptions, 'flops' | 'steps' | 'batch' | 'seed' | 'tune' | 'rate' | 'threads'>>;

/** The whole run, from where its checkpoint stands. */
async function adaptFromCheckpoint(
  network: Network,
  images: Tensor | readonly RgbImage[],
  options: SettledOptions,
): Promise<AdaptResult> {
  const isTensor = 'shape' in images;
  const size = isTensor
    ? { height: images.shape[1], width: images.shape[2] }
    : (options.size ?? network.inputShape);
  await learnShapes(network, size);
  const stem = stemOf(network, size);
  try {
    return await adaptBehind(stem, network, images, size, options);
  } finally {
    if (stem) await releaseNetwork(stem.network);
  }
}

/** The whole run, behind what gradients do not have to go through. */
async function adaptBehind(
  stem: Stem | undefined,
  network: Network,
  images: Tensor | readonly RgbImage[],
  size: ImageSize,
  options: SettledOptions,
): Promise<AdaptResult> {
  const { flops, steps, batch, seed, tune, rate, threads, mean, deviation, checkpoint, signal } = options;
  const { height, width } = size;
  const isTensor = 'shape' in images;
  const granularity = granularityFor(network, size, options.granularity);
  const rest = stem?.rest ?? network;
  const blocks = learnableBlocks(rest);
  const crops = isTensor ? undefined : { ...statisticsOf(options), channels: imageChannels(network) };
  const { source, judged, heldBack } = await splitImages(images, size, seed, sampleSize, crops);
  const learned = new LearnedValues(blocks, tune === 'norms' ? normsAfter(network, blocks[0]!.index) : []);
  const [m, v] = [new Float32Array(learned.values.length), new Float32Array(learned.values.length)];
  const state: AdaptState = { step: 0, judged: 0, learned, m, v };
  const layout = {
    ...{ batch, height, width, granularity, settings: newAdaptSettings() },
    ...(stem ? { ...sidesOf(stem.rest), stemFlops: stem.flops } : {}),
  };
  const identity: AdaptIdentity = {
    network: network.name,
    weights: networkHash(network),
    images: source.count + heldBack,
    pixels: imagesHash(images),
    ...{ mean, deviation, flops, steps, batch, seed, tune, granularity, height, width, rate },
  };
  const sample = await source.sample(sampleSize);
  // One image at a time: no image counts twice in a batch that is not full.
  const decided = buildAdaptGraph(rest, learned, { ...layout, batch: 1, training: false });
  const judge = new Judge({
    ...{ network, learned, granularity, images: judged, batch, flops, threads },
    ...(signal ? { signal } : {}),
  });
  if (!(checkpoint && (await loadAdaptState(checkpoint, identity, state)))) {
    options.onProgress?.(beforeSteps(steps));
    const maskers = await fittedMaskers(network, sample, { ...options, granularity });
    await standardise(
      learned,
      decided,
      stem ? await runStem(stem, sample, threads) : sample,
      threads,
      maskers,
    );
    await judge.consider(state);
  }
  const read = stem ? behindStem(source, stem, size, threads) : source;
  await takeSteps(rest, state, read, judge, identity, options, layout);
  const { values, ...kept } = state.best!;
  learned.values.set(values);
  const all = Tensor.concat([sample, judged]);
  const isLearned = (block: number) => learned.masker(block) !== undefined;
  const met = await usingNetwork(learned.applyTo(network, granularity), (unshifted) =>
    meetFlops(unshifted, isLearned, all, flops, { batch, threads }),
  );
  for (const { index } of blocks) learned.masker(index)!.bias[0]! += met.shift;
  return {
    network: learned.applyTo(network, granularity),
    blocks: blocks.map(({ index, name }) => ({
      block: index,
      name,
      granularity: granularity[index]!,
      rate: met.rates.get(index)!,
    })),
    flops: met.flops,
    kept: { ...kept, heldBack },
  };
}

/** S of each block: as asked for, or what leaves `cellsASide` cells along the shorter side of its map. */
function granularityFor(
  network: Network,
  size: ImageSize,
  wanted: Granularity | undefined,
): readonly number[] {
  if (wanted !== undefined) return resolveGranularity(network, wanted);
  const { blocks } = networkShapes(network, { batch: 1, height: size.height, width: size.width });
  const sides = blocks.map(({ outHeight, outWidth }) => Math.min(outHeight, outWidth));
  return resolveGranularity(
    network,
    sides.map((side) => Math.max(1, Math.floor(side / cellsASide))),
  );
}

const sidesOf = ({ inputShape: { height, width } }: Network) => ({ height, width });

/** The progress of a run that fits the maskers that it starts from. */
const beforeSteps = (steps: number): AdaptProgress => ({
  phase: 'fit',
  ...{ step: 0, steps, divergence: 0, distance: 0, sameClass: 0, flops: 1, leftMs: Number.NaN },
});

function check(
  network: Network,
  images: Tensor | readonly RgbImage[],
  {
    flops,
    steps,
    batch,
    threads,
    tune,
    rate,
  }: Required<Pick<AdaptOptions, 'flops' | 'steps' | 'batch' | 'threads' | 'tune' | 'rate'>>,
): void {
  const fail = (what: string): never => {
    throw new FoveaError('bad-argument', what);
  };
  if (!(flops > 0 && flops < 1)) fail(`flops ${flops}: a ratio above 0 and below 1 is accepted`);
  for (const [field, value] of Object.entries({ steps, batch })) {
    if (!Number.isInteger(value) || value < 1)
      fail(`${field} ${value}: an integer of at least 1 is accepted`);
  }
  checkThreads(threads);
  if (!(rate > 0 && rate <= 10)) fail(`rate ${rate}: a number above 0, up to 10, is accepted`);
  if (tune !== 'maskers' && tune !== 'norms') fail(`tune "${tune}": maskers or norms is accepted`);
  const { name, inputShape } = network;
  const channels = 'shape' in images ? images.shape[3] : imageChannels(network);
  if (channels !== inputShape.channels) {
    fail(`${name} takes ${inputShape.channels} channels; images of ${channels} were given`);
  }
}

/** Blocks whose mask saves work and that gradients reach. */
function learnableBlocks(network: Network): Block[] {
  const part = trainablePart(network);
  const reached = part.flatMap((node) =>
    node.kind === 'block' && savesWork(node.block) ? [node.block] : [],
  );
  if (reached.length > 0) return reached;
  const foreign = network.nodes[part.length];
  throw new FoveaError(
    'unsupported',
    foreign?.kind === 'foreign' && blocksOf(network).some(savesWork)
      ? `${network.name}: gradients do not go through "${foreign.name}" (${foreign.operators.join(', ')}), and no residual ` +
          'block whose mask saves work comes before it'
      : `${network.name} has no residual block whose mask saves work`,
  );
}

function newAdaptSettings(): AdaptSettings {
  return {
    budget: new Float32Array([10, 1, 1, 0]),
    gumbel: new Float32Array([1, 0]),
    random: new Uint32Array(2),
    divergence: new Float32Array([1, 1]),
    distance: new Float32Array([1]),
    adam: new Float32Array([0, 0.9, 0.999, 1, 1]),
  };
}

/** Maskers of a ridge regression, in every block that has one. */
async function fittedMaskers(
  network: Network,
  sample: Tensor,
  options: AdaptOptions & Required<Pick<AdaptOptions, 'flops' | 'threads' | 'granularity'>>,
): Promise<ReadonlyMap<number, LearnedMasker>> {
  const { flops, threads, granularity, signal } = options;
  const fit = await fitMaskers(network, sample, {
    flopsTarget: flops,
    granularity,
    threads,
    ...(signal ? { signal } : {}),
  });
  return new Map(blocksOf(fit.network).map(({ index, masker }) => [index, masker!]));
}
