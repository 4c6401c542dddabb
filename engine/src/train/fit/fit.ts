import { expectArgument, expectOptions, type Kinds } from '../../arguments/expect.js';
import { aNetwork, aNumber, aNumberOrNumbers, aTensor } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import { adaptivePool } from '../../mask/adaptive-pool.js';
import { activeFraction, maskGrid, spreadCells } from '../../mask/geometry.js';
import { resolveRates } from '../../mask/rate.js';
import { branchRegions, regionPixels } from '../../mask/regions.js';
import { decisionFlops } from '../../mask/rule.js';
import { convolutionFlops, denseBlockFlops, nodeFlops } from '../../network/flops.js';
import { type Block, blocksOf, type LearnedMasker, type Network } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import { learnShapes, networkShapes } from '../../network/walk.js';
import { type Granularity, resolveGranularity } from '../../plan/granularity.js';
import type { Tensor } from '../../tensor.js';
import { type BlockObservation, type ObserveOptions, observeBlocks, observeOptionKinds } from './observe.js';
import { ridgeRegression } from './ridge.js';

/** What `fitMaskers` fits to: a rate or a share of FLOPs, and granularities. */
export interface FitOptions extends ObserveOptions {
  /** Fraction of cells to be active, for all blocks or per block, 0…1. Either this or `flopsTarget`; 0.5 when neither. */
  readonly rate?: number | readonly number[];
  /** Ratio of multiply-adds to the dense network's that the masks should leave on the calibration images. */
  readonly flopsTarget?: number;
  /** S: one for all, per stage, or per block; 1 when left out. */
  readonly granularity?: Granularity;
  /** Penalty of the regression, relative to the number of cells; 0.01 when left out. */
  readonly ridge?: number;
}

/** What each of them is, as far as it can be said without the network. */
export const fitOptionKinds: Kinds<FitOptions> = {
  ...observeOptionKinds,
  rate: aNumberOrNumbers,
  flopsTarget: aNumber,
  granularity: aNumberOrNumbers,
  ridge: aNumber,
};

/** How one block's masker was fitted. */
export interface BlockFit {
  readonly block: number;
  readonly name: string;
  readonly granularity: number;
  /** Fraction of the energy's variance that the masker explains, 0…1. */
  readonly explained: number;
  /** Active fraction of the cells of the calibration images. */
  readonly rate: number;
}

/** What `fitMaskers` returns. */
export interface FitResult {
  /** The same network with a masker in every adaptive block. */
  readonly network: Network;
  readonly blocks: readonly BlockFit[];
  /** Ratio of multiply-adds to the dense network's, on the calibration images. */
  readonly flops: number;
}

/**
 * Fits a masker to every adaptive block of a network that was never trained for masks: a ridge regression
 * from the pooled block input to the residual branch's root-mean-square in each cell, cut off at the value
 * that leaves the wanted share of cells active on the calibration images. Blocks are fitted in order, each
 * on what the masked blocks before it leave, so that rates hold when all masks are on. For a FLOPs target,
 * the one rate for all blocks that meets it is searched.
 *
 * @param images `[N, H, W, C]`, normalised as the network expects; a handful is enough
 * @throws FoveaError `bad-argument` for options out of range or a network without adaptive blocks, and what
 *   `run` throws
 *
 * @example
 * ```ts
 * import { builtNetwork, run } from '@fovea/engine';
 * import { fitMaskers, generateDataset, imagesOf } from '@fovea/engine/train';
 *
 * const images = imagesOf(await generateDataset({ seed: 1, count: 4, size: 64 }), 4);
 * const { network, flops } = await fitMaskers(builtNetwork('resnet18'), images, { rate: 0.5, granularity: 2 });
 * const { masks } = await run(network, images, { masker: 'learned' });
 * console.log(flops, masks.length);
 * ```
 */
export async function fitMaskers(
  network: Network,
  images: Tensor,
  options: FitOptions = {},
): Promise<FitResult> {
  expectArgument(network, aNetwork, 'fitMaskers: network');
  expectArgument(images, aTensor, 'fitMaskers: images');
  expectOptions(options, fitOptionKinds, 'fitMaskers');
  checkOptions(network, options);
  const { flopsTarget } = options;
  if (flopsTarget === undefined) {
    const rates = resolveRates(options.rate, blocksOf(network).length);
    return fitAtRates(network, images, options, (block) => rates[block]!);
  }
  let [low, high] = [0, 1];
  let best = await fitAtRates(network, images, options, () => 0);
  if (best.flops > flopsTarget) {
    throw new FoveaError(
      'bad-argument',
      `FLOPs target ${flopsTarget}: what always runs (stem, shortcuts, head) is ${best.flops.toFixed(3)} of ${network.name} already`,
    );
  }
  // The ratio grows with the rate: each fit halves what is left of the interval around the target.
  for (let i = 0; i < 8 && flopsTarget - best.flops > 0.005; i++) {
    const middle = i === 0 ? flopsTarget : (low + high) / 2;
    const fit = await fitAtRates(network, images, options, () => middle);
    if (fit.flops <= flopsTarget) {
      low = middle;
      best = fit;
    } else high = middle;
  }
  return best;
}

/** @throws FoveaError `bad-argument` naming the option that is out of range */
export function checkOptions(network: Network, { rate, flopsTarget, ridge }: FitOptions): void {
  const blocks = blocksOf(network);
  const fail = (what: string): never => {
    throw new FoveaError('bad-argument', what);
  };
  if (!blocks.some((block) => block.adaptive))
    fail(`${network.name} has no residual blocks to fit maskers to`);
  if (rate !== undefined && flopsTarget !== undefined) fail('give either a rate or a FLOPs target, not both');
  resolveRates(rate, blocks.length);
  if (flopsTarget !== undefined && !(flopsTarget > 0 && flopsTarget <= 1)) {
    fail(`FLOPs target ${flopsTarget}: a ratio above 0 and at most 1 is accepted`);
  }
  if (ridge !== undefined && !(ridge >= 0 && Number.isFinite(ridge))) {
    fail(`ridge ${ridge}: a number of at least 0 is accepted`);
  }
}

/** One walk through the network that fits each block on the masked output of those before. */
async function fitAtRates(
  network: Network,
  images: Tensor,
  options: FitOptions,
  rateOf: (block: number) => number,
): Promise<FitResult> {
  const [batch, height, width] = images.shape;
  const granularity = resolveGranularity(network, options.granularity ?? 1);
  await learnShapes(network, { height, width });
  const shapes = networkShapes(network, { batch, height, width });
  const fits = new Map<
    number,
    { readonly masker: LearnedMasker; readonly report: BlockFit; readonly flops: number }
  >();
  await observeBlocks(network, images, options, (observation) => {
    const { block } = observation;
    const S = granularity[block.index]!;
    const { masker, cells, grid, explained } = fitBlock(
      observation,
      S,
      rateOf(block.index),
      options.ridge ?? 0.01,
    );
    const shape = shapes.blocks[block.index]!;
    const active = spreadCells(cells, grid, batch, shape.outHeight, shape.outWidth);
    fits.set(block.index, {
      masker,
      report: {
        block: block.index,
        name: block.name,
        granularity: S,
        explained,
        rate: activeFraction(cells),
      },
      flops: maskedBlockFlops(block, shape, active, batch) + decisionFlops(cells.length, shape.inChannels),
    });
    return active;
  });

  let [used, full] = [0, 0];
  const nodes = network.nodes.map((node) => {
    if (node.kind !== 'block') {
      const flops = nodeFlops(node, shapes.values);
      used += flops;
      full += flops;
      return node;
    }
    const { block } = node;
    const dense = denseBlockFlops(block, shapes.blocks[block.index]!, batch);
    const fit = fits.get(block.index);
    full += dense;
    used += fit?.flops ?? dense;
    if (!fit) return node;
    return { ...node, block: { ...block, masker: fit.masker, granularity: fit.report.granularity } };
  });
  return {
    network: { ...network, nodes },
    blocks: [...fits.values()].map(({ report }) => report),
    flops: used / full,
  };
}

/** Regresses one block's energy at granularity S and cuts it off at the wanted rate. */
function fitBlock({ input, energy }: BlockObservation, S: number, rate: number, ridge: number) {
  const [, height, width] = energy.shape;
  const grid = maskGrid(height, width, S);
  const pooled = adaptivePool(input, grid);
  const target = Float64Array.from(adaptivePool(energy, grid), Math.sqrt);
  const columns = input.shape[3];
  const fit = ridgeRegression(pooled, columns, target, ridge);
  const weight = Float32Array.from(fit.weight);
  // Scores as the masker will compute them, in single precision weights.
  const scores = Float64Array.from(target, (_, cell) => {
    let score = 0;
    for (let c = 0; c < columns; c++) score += weight[c]! * pooled[cell * columns + c]!;
    return score;
  });
  const threshold = thresholdAt(scores, rate);
  const masker: LearnedMasker = { weight, bias: Math.fround(-threshold) };
  const cells = Uint8Array.from(scores, (score) => (score + masker.bias >= 0 ? 1 : 0));
  return { masker, cells, grid, explained: fit.explained };
}

/** The score that `rate` of the cells reach, halfway to the next; beyond all scores for 0 and 1. */
function thresholdAt(scores: Float64Array, rate: number): number {
  const wanted = Math.round(rate * scores.length);
  const sorted = scores.slice().sort();
  const [least, most] = [sorted[0]!, sorted[sorted.length - 1]!];
  // Far enough out that other images' cells keep to it as well.
  const far = 10 * (most - least) + Math.abs(most) + Math.abs(least) + 1;
  if (wanted === 0) return most + far;
  if (wanted === scores.length) return least - far;
  return (sorted[scores.length - wanted]! + sorted[scores.length - wanted - 1]!) / 2;
}

function maskedBlockFlops(block: Block, shape: BlockShape, active: Uint8Array, batch: number): number {
  const excitation = 'exact';
  const regions = branchRegions(block, shape, active, batch, { denseConv1: false, excitation });
  return block.branch.reduce(
    (flops, convolution, i) => {
      const map = shape.branch[i]!;
      const skipped = batch * map.height * map.width - regionPixels(regions[i]!, batch, map);
      return flops - convolutionFlops(convolution, skipped);
    },
    denseBlockFlops(block, shape, batch),
  );
}
