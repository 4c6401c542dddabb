import { denseBlockFlops, nodeFlops } from '../../network/flops.js';
import type { Network, NetworkNode } from '../../network/network.js';
import { type NetworkShapes, networkShapes } from '../../network/walk.js';
import type { StepSettings } from '../step-settings.js';
import { TrainProgram } from '../train-program.js';
import { type BlockReport, emitNodes } from './emit-network.js';
import type { LearnedValues } from './learned-values.js';
import { Tape, type Value } from './tape.js';

/** What a step of adaptation reads besides images and values. */
export interface AdaptSettings extends Pick<StepSettings, 'budget' | 'gumbel' | 'random'> {
  /** `[weight, T]` of the divergence of the adaptive from the dense logits. */
  readonly divergence: Float32Array;
  /** `[weight]` of each distance between maps. */
  readonly distance: Float32Array;
  /** `[rate, b1, b2, correction of m, correction of v]`. */
  readonly adam: Float32Array;
}

export interface AdaptGraph {
  readonly program: TrainProgram;
  /** `batch · H · W · channels` values, normalised. */
  readonly images: Float32Array;
  readonly blocks: readonly BlockReport[];
  /** FLOPs of one image outside masked blocks. */
  readonly restFlops: number;
  /** `[divergence, images of one mind]`; zeros when what is imitated is no vector of classes. */
  readonly divergence: Float32Array;
  /** Relative squared distance of each map that is compared. */
  readonly distances: readonly Float32Array[];
}

export interface AdaptGraphOptions {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** S per block. */
  readonly granularity: readonly number[];
  readonly settings: AdaptSettings;
  /** Noise, losses, gradients and the optimiser's step; otherwise decided masks and their work only. */
  readonly training: boolean;
  /** The optimiser's moments, laid out as the values; needed for training. */
  readonly moments?: { readonly m: Float32Array; readonly v: Float32Array };
  /** FLOPs of one image before the network, which is the rest of one; see `stemOf`. */
  readonly stemFlops?: number;
  /** Leaves the optimiser's step out, to look at gradients. */
  readonly update?: boolean;
}

/**
 * Lays out one step for a batch: the dense network, the same with masks, what lies between them, and back.
 * @throws FoveaError `unsupported` for a network that gradients cannot go through, `backend-unavailable` without
 *   native kernels
 */
export function buildAdaptGraph(
  network: Network,
  learned: LearnedValues,
  options: AdaptGraphOptions,
): AdaptGraph {
  const { batch, height, width, training, settings, granularity } = options;
  const shapes = networkShapes(network, { batch, height, width });
  const nodes = trainablePart(network);
  const first = nodes.findIndex((node) => node.kind === 'block' && learned.masker(node.block.index));
  const { channels } = network.inputShape;
  const images = new Float32Array(batch * height * width * channels);
  const prefix = new Map<string, Value>([
    [network.input, { array: images, shape: [batch, height, width, channels], learned: false }],
  ]);
  const tape = new Tape([], training);
  const how = { shapes, learned, settings, granularity, training };
  // What comes before the first mask is the same for both networks.
  emitNodes(new Tape(tape.ops, true), nodes.slice(0, first), prefix, { ...how, masked: false });
  const targets = imitated(network, nodes, learned);
  const kept = new Set([...prefix.keys(), ...targets]);
  const dense = new Map(prefix);
  if (training) {
    emitNodes(new Tape(tape.ops, false), nodes.slice(first), dense, { ...how, masked: false, kept });
  }
  const blocks: BlockReport[] = [];
  const adaptive = new Map(prefix);
  const rates = new Float32Array(2 * learned.maskedBlocks);
  emitNodes(tape, nodes.slice(first), adaptive, { ...how, masked: true, kept, masks: { blocks, rates } });
  const restFlops = (options.stemFlops ?? 0) + flopsOutside(network, shapes, batch, learned);
  const divergence = new Float32Array(2);
  const distances: Float32Array[] = [];
  if (training) {
    emitBudget(tape, blocks, rates, restFlops, batch, settings);
    for (const name of targets) {
      const [student, teacher] = [adaptive.get(name)!, dense.get(name)!];
      if (!student.learned) continue;
      const [N, H, W, C] = student.shape;
      const slope = tape.take(N * H * W * C);
      const maps = [student.array, teacher.array] as const;
      if (name === targets[targets.length - 1] && H * W === 1 && C > 1) {
        tape.emit('divergence', [N, C], ...maps, settings.divergence, slope, divergence);
      } else {
        const report = new Float32Array(1);
        tape.emit('distance', [N * H * W * C, 0], ...maps, settings.distance, slope, report);
        distances.push(report);
      }
      tape.addSlope(student, slope);
    }
    tape.backward();
    if (options.update !== false) {
      const { m, v } = options.moments!;
      tape.emit('adam', [m.length], learned.values, learned.gradients, m, v, settings.adam);
    }
  }
  return { program: new TrainProgram(tape.ops), images, blocks, restFlops, divergence, distances };
}

/** The nodes up to the first that runs in onnxruntime: gradients go no further. */
export function trainablePart({ nodes }: Network): readonly NetworkNode[] {
  const end = nodes.findIndex(({ kind }) => kind === 'foreign');
  return end < 0 ? nodes : nodes.slice(0, end);
}

/**
 * Names of the values in which the adaptive network is to be like the dense one: the last masked block of every stage,
 * and last what the part of the network that gradients go through gives to the rest.
 */
function imitated(network: Network, nodes: readonly NetworkNode[], learned: LearnedValues): string[] {
  const ends = new Map<number, string>();
  for (const node of nodes) {
    if (node.kind === 'block' && learned.masker(node.block.index)) ends.set(node.block.stage, node.output);
  }
  const made = new Set(nodes.map(({ output }) => output));
  const later = network.nodes
    .slice(nodes.length)
    .flatMap(({ inputs }) => inputs.filter((name) => made.has(name)));
  const given = new Set([...later, ...(made.has(network.output) ? [network.output] : [])]);
  return [...[...ends.values()].filter((name) => !given.has(name)), ...given];
}

/** FLOPs of one image in everything but masked blocks; what runs in onnxruntime is not counted. */
function flopsOutside(
  network: Network,
  shapes: NetworkShapes,
  batch: number,
  learned: LearnedValues,
): number {
  return network.nodes.reduce((sum, node) => {
    if (node.kind !== 'block') return sum + nodeFlops(node, shapes.values) / batch;
    if (learned.masker(node.block.index)) return sum;
    return sum + denseBlockFlops(node.block, shapes.blocks[node.block.index]!, 1);
  }, 0);
}

function emitBudget(
  tape: Tape,
  blocks: readonly BlockReport[],
  rates: Float32Array,
  restFlops: number,
  batch: number,
  { budget }: AdaptSettings,
): void {
  // Millions of FLOPs, so that single precision holds sums and differences alike.
  const costs = [
    ...blocks.flatMap(({ fixedFlops, variableFlops }) => [fixedFlops, 0, variableFlops]),
    restFlops,
  ];
  const counts = blocks.map(({ rows, columns }) => rows * columns);
  const slopes = blocks.map(({ mask }) => mask.slope);
  tape.emit(
    'budget',
    [blocks.length, 0, batch, ...counts],
    rates,
    Float32Array.from(costs, (flops) => flops / 1e6),
    budget,
    new Float32Array(2),
    ...slopes,
  );
}

/** Multiply-adds that the masks of the last run leave, relative to the dense network's, deciding included. */
export function flopsLeft({ blocks, restFlops }: Pick<AdaptGraph, 'blocks' | 'restFlops'>): number {
  let [used, full] = [restFlops, restFlops];
  for (const { work, fixedFlops, variableFlops, decisionFlops } of blocks) {
    used += fixedFlops + decisionFlops + variableFlops * work[0]!;
    full += fixedFlops + variableFlops;
  }
  return used / full;
}
