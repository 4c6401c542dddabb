import { FoveaError } from '../../errors.js';
import type { RgbImage } from '../../image/decode.js';
import type { Normalisation } from '../../image/normalise.js';
import type { ImageSize } from '../../image/scale.js';
import { type Block, blocksOf, type Network } from '../../network/network.js';
import { learnShapes, networkShapes } from '../../network/walk.js';
import { type Granularity, resolveGranularity } from '../../plan/granularity.js';
import { defaultThreads } from '../../run/prepare.js';
import type { Tensor } from '../../tensor.js';
import { fitMaskers } from '../fit/fit.js';
import { flopsBounds, gumbelNoise, gumbelTemperature, learningRate } from '../schedule.js';
import { type BatchSource, cropsOf, imagesOfTensor } from './batches.js';
import { type AdaptProgress, Clock } from './clock.js';
import { LearnedValues, normsAfter, savesWork } from './learned-values.js';
import { type AdaptGraph, type AdaptSettings, buildAdaptGraph, trainablePart } from './network-graph.js';
import { measureFlops, meetFlops, standardise } from './settle.js';
import { type AdaptIdentity, type AdaptState, loadAdaptState, saveAdaptState } from './state.js';

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
  /** Steps between saves; 50 when left out. */
  readonly saveEvery?: number;
  /** Ends after the step in hand, with the state saved; the promise rejects with FoveaError `aborted`. */
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
}

/** Cells a side that masks get when nothing is said: fewer see little, more pay for their halos. */
const cellsASide = 14;

/** Images that stand for all of them. */
const sampleSize = 32;

/**
 * Learns the maskers of a network that was never trained for masks, without labels: the network is frozen, and masks
 * drawn by straight-through Gumbel-softmax are made to leave its answers as they are at fewer FLOPs. The loss is the
 * divergence of the adaptive from the dense logits, the distance of the maps at the stages' ends, and LASNet's bounds on
 * FLOPs, tight at first, then loose. `fitMaskers` gives the start. At the end all margins are shifted alike, so that the
 * masks of inference, drawn without noise, leave the FLOPs asked for.
 *
 * @param images `[N, H, W, C]`, normalised as the network expects, or photographs, which random crops are taken of
 * @throws FoveaError `bad-argument` for options out of range, `unsupported` for a network that gradients cannot go
 *   through, `diverged`, `aborted`, `io` when saving fails, `bad-file` for a checkpoint of another run,
 *   `backend-unavailable` without native kernels
 */
export async function adaptMaskers(
  network: Network,
  images: Tensor | readonly RgbImage[],
  options: AdaptOptions = {},
): Promise<AdaptResult> {
  const {
    flops = 0.6,
    steps = 400,
    batch = 8,
    seed = 1,
    tune = 'maskers',
    threads = defaultThreads(),
  } = options;
  const size =
    'shape' in images
      ? { height: images.shape[1], width: images.shape[2] }
      : (options.size ?? network.inputShape);
  check(network, images, { flops, steps, batch, threads, tune, rate: options.rate ?? defaultRate });
  await learnShapes(network, size);
  const shapes = networkShapes(network, { batch: 1, height: size.height, width: size.width });
  const granularity = resolveGranularity(
    network,
    options.granularity ??
      shapes.blocks.map(({ outHeight, outWidth }) =>
        Math.max(1, Math.floor(Math.min(outHeight, outWidth) / cellsASide)),
      ),
  );
  const blocks = learnableBlocks(network);
  const source = 'shape' in images ? imagesOfTensor(images, seed) : cropsOf(images, size, seed, options);
  const norms = tune === 'norms' ? normsAfter(network, blocks[0]!.index) : [];
  const learned = new LearnedValues(blocks, norms);
  const [m, v] = [new Float32Array(learned.values.length), new Float32Array(learned.values.length)];
  const state: AdaptState = { step: 0, learned, m, v };
  const { height, width } = size;
  const layout = { batch, height, width, granularity, settings: newAdaptSettings() };
  const identity: AdaptIdentity = {
    network: network.name,
    images: source.count,
    ...{ flops, steps, batch, seed, tune, granularity, height, width, rate: options.rate ?? defaultRate },
  };
  const sample = await source.sample(sampleSize);
  const decided = buildAdaptGraph(network, learned, { ...layout, training: false });
  const { checkpoint } = options;
  if (!(checkpoint && (await loadAdaptState(checkpoint, identity, state)))) {
    options.onProgress?.({
      phase: 'fit',
      step: 0,
      steps,
      divergence: 0,
      distance: 0,
      sameClass: 0,
      flops: 1,
      leftMs: Number.NaN,
    });
    await startFromFit(network, learned, decided, sample, { ...options, flops, threads, granularity });
  }
  await run(network, state, source, identity, { ...options, flops, steps, batch, seed, threads }, layout);
  await meetFlops(learned, decided, sample, flops, threads);
  const measured = await measureFlops(decided, sample, threads);
  return {
    network: learned.applyTo(network, granularity),
    blocks: blocks.map(({ index, name }, i) => ({
      block: index,
      name,
      granularity: granularity[index]!,
      rate: measured.rates[i]!,
    })),
    flops: measured.flops,
  };
}

const defaultRate = 0.02;

function check(
  { name, inputShape }: Network,
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
  for (const [field, value] of Object.entries({ steps, batch, threads })) {
    if (!Number.isInteger(value) || value < 1)
      fail(`${field} ${value}: an integer of at least 1 is accepted`);
  }
  if (!(rate > 0 && rate <= 10)) fail(`rate ${rate}: a number above 0, up to 10, is accepted`);
  if (tune !== 'maskers' && tune !== 'norms') fail(`tune "${tune}": maskers or norms is accepted`);
  const channels = 'shape' in images ? images.shape[3] : 3;
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

/** Starts maskers from a ridge regression, in the scale that Gumbel noise works at. */
async function startFromFit(
  network: Network,
  learned: LearnedValues,
  decided: AdaptGraph,
  sample: Tensor,
  options: AdaptOptions & Required<Pick<AdaptOptions, 'flops' | 'threads' | 'granularity'>>,
): Promise<void> {
  const { flops, threads, granularity, signal } = options;
  const fit = await fitMaskers(network, sample, {
    flopsTarget: flops,
    granularity,
    threads,
    ...(signal ? { signal } : {}),
  });
  const maskers = new Map(blocksOf(fit.network).map(({ index, masker }) => [index, masker!]));
  await standardise(learned, decided, sample, threads, maskers);
}

/** What a run's steps follow from, and how far each weighs. */
const schedule = {
  noise: [1, 0],
  temperature: [5, 1],
  flopsWeight: 20,
} as const;

async function run(
  network: Network,
  state: AdaptState,
  source: BatchSource,
  identity: AdaptIdentity,
  options: AdaptOptions & Required<Pick<AdaptOptions, 'flops' | 'steps' | 'batch' | 'seed' | 'threads'>>,
  layout: Omit<Parameters<typeof buildAdaptGraph>[2], 'training' | 'moments'>,
): Promise<void> {
  const { steps, batch, seed, threads, flops, checkpoint, saveEvery = 50, signal, onProgress } = options;
  if (state.step >= steps) return;
  const { learned, m, v } = state;
  const settings = layout.settings;
  const graph = buildAdaptGraph(network, learned, { ...layout, training: true, moments: { m, v } });
  const plan = { epochs: 1, decay: 0, rate: options.rate ?? defaultRate, target: flops, ...schedule };
  const stop = new Int32Array(1);
  const staged = new Float32Array(graph.images.length);
  const clock = new Clock(state.step, steps, batch);
  await source.fill(state.step, batch, staged);
  for (let step = state.step; step < steps; step++) {
    graph.images.set(staged);
    const { upper, lower } = flopsBounds(plan, step / steps);
    settings.budget.set([plan.flopsWeight, flops, upper, lower]);
    settings.gumbel.set([gumbelTemperature(plan, step / steps), gumbelNoise(plan, step / steps)]);
    settings.random.set([seed, step]);
    const correction = (b: number) => 1 / (1 - b ** (step + 1));
    settings.adam.set([learningRate(plan, step, steps), 0.9, 0.999, correction(0.9), correction(0.999)]);
    const running = graph.program.run(threads, stop);
    // The next batch is made while the native threads compute this one.
    if (step + 1 < steps) await source.fill(step + 1, batch, staged);
    await running;
    state.step = step + 1;
    if (!Number.isFinite(graph.divergence[0]!) || !learned.values.every(Number.isFinite)) {
      throw new FoveaError(
        'diverged',
        `adaptation diverged at step ${step + 1} of ${steps}: lower its rate (${plan.rate})${checkpoint ? `; ${checkpoint} holds the last good state` : ''}`,
      );
    }
    const report = clock.tick(step + 1, graph);
    if (report) onProgress?.(report);
    const aborted = signal?.aborted ?? false;
    if (checkpoint && (aborted || (step + 1) % saveEvery === 0 || step + 1 === steps)) {
      await saveAdaptState(checkpoint, identity, state);
    }
    if (aborted && step + 1 < steps) {
      const kept = checkpoint ? `; ${checkpoint} holds where it stood` : '';
      throw new FoveaError('aborted', `adaptation was aborted after step ${step + 1} of ${steps}${kept}`);
    }
  }
}
