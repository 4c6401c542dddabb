import { denseBlockFlops } from '../../network/flops.js';
import type { Block, NetworkNode } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { NetworkShapes } from '../../network/walk.js';
import type { Device } from '../../plan/device.js';
import type { BlockPlan, Group, Primitive } from '../../plan/plan.js';
import type { PredictedBlock, PredictedPass } from '../assemble.js';
import { calibrationOf, type NativeCalibration } from '../calibration.js';
import type { Setting } from '../options.js';
import { calibratedBlockCosts, calibratedNodeCost } from './calibrated.js';
import type { Coverage } from './coverage.js';
import { nodePass } from './nodes.js';
import { type PassCost, rooflineCost } from './roofline.js';
import { type BlockWork, blockPasses, computedCoverage, type PassWork } from './work.js';

/** Costs a dense node outside blocks; undefined for one whose work is not known. */
export function nodeCost(
  node: Exclude<NetworkNode, { kind: 'block' }>,
  shapes: NetworkShapes,
  setting: Setting,
): PredictedPass | undefined {
  const pass = nodePass(node, shapes.values.get(node.inputs[0]!), shapes.values.get(node.output));
  if (!pass) return undefined;
  const calibration = calibrationOf(setting.device);
  const calibrated = calibration && calibratedNodeCost(node, shapes, calibration, setting.threads);
  return calibrated ? { ...describe(pass), ...calibrated } : passCost(pass, setting);
}

/** Costs one pass on the device of `setting`. */
function passCost(pass: PassWork, setting: Setting): PredictedPass {
  return { ...describe(pass), ...rooflineCost(pass, setting.device, setting) };
}

function describe(pass: PassWork): Pick<PredictedPass, 'primitives' | 'flops' | 'bytes'> {
  const { primitives, parts } = pass;
  return {
    primitives,
    flops: parts.reduce((sum, part) => sum + part.flops, 0),
    bytes: distinctBytes(pass),
  };
}

/** Each tensor that a pass touches counted once, at the most that any primitive touches of it. */
function distinctBytes({ parts }: PassWork): number {
  const largest = new Map<string, number>();
  let bytes = 0;
  for (const { reads, writes, weightBytes } of parts) {
    bytes += weightBytes;
    for (const access of [...reads, ...writes]) {
      largest.set(access.tensor, Math.max(largest.get(access.tensor) ?? 0, access.bytes));
    }
  }
  for (const count of largest.values()) bytes += count;
  return bytes;
}

/** Everything that a block's cost depends on. */
export interface BlockQuestion {
  readonly block: Block;
  readonly shape: BlockShape;
  readonly plan: Pick<BlockPlan, 'mode' | 'groups' | 'granularity' | 'excitation'>;
  readonly coverage: Coverage;
  /** Cells of the next block's grid, when this block pools for it. */
  readonly nextCells?: number;
  /** Whether the mask is computed by a rule; see `BlockWork`. */
  readonly decides?: boolean;
}

const costsKnown = new WeakMap<Device, Map<string, PredictedBlock>>();
const shapeNames = new WeakMap<BlockShape, string>();
const shapeNumbers = new Map<string, number>();
const planNames = new WeakMap<BlockQuestion['plan'], string>();

/** Says all that a block's cost depends on of its geometry: blocks of one name are alike. */
export function shapeName(block: Block, shape: BlockShape): string {
  let name = shapeNames.get(shape);
  if (name === undefined) {
    const described = describeShape(block, shape);
    // A short name in the place of the long one: it is part of a key that is made for every prediction.
    const number = shapeNumbers.get(described) ?? shapeNumbers.size;
    shapeNumbers.set(described, number);
    name = `#${number}`;
    shapeNames.set(shape, name);
  }
  return name;
}

function describeShape(block: Block, shape: BlockShape): string {
  const convolutions = [...block.branch, ...(block.projection ? [block.projection] : [])];
  const { squeezeExcitation } = block;
  return [
    shape.inHeight,
    shape.inWidth,
    block.activation,
    block.projection ? 'projection' : '',
    squeezeExcitation ? `${squeezeExcitation.after},${squeezeExcitation.reduce.outChannels}` : '',
    ...convolutions.map(
      ({ inChannels, outChannels, kernel, stride, padding, dilation, groups, activation }) =>
        `${inChannels},${outChannels},${kernel},${stride},${padding},${dilation},${groups},${activation}`,
    ),
  ].join(';');
}

function planName(plan: BlockQuestion['plan']): string {
  let name = planNames.get(plan);
  if (name === undefined) {
    const groups = plan.groups
      .map(({ primitives, bandPixels = '' }) => `${primitives}:${bandPixels}`)
      .join('/');
    name = `${plan.mode},${plan.granularity},${plan.excitation};${groups}`;
    planNames.set(plan, name);
  }
  return name;
}

function questionName(
  { block, shape, plan, coverage, nextCells, decides }: BlockQuestion,
  setting: Setting,
): string {
  const { rate, branch, cells, expected } = coverage;
  // Of random masks rate and plan say it all; two given masks of the same rates may lie differently.
  const masks = expected ? branch[0] : `${cells} ${branch} ${coverage.squares}`;
  return `${shapeName(block, shape)} ${setting.batch} ${setting.threads} ${nextCells} ${decides} ${rate} ${masks} ${planName(plan)}`;
}

/** Predicts one block, or repeats what was predicted for another just like it. */
export function blockCost(question: BlockQuestion, setting: Setting): PredictedBlock {
  let known = costsKnown.get(setting.device);
  if (!known || known.size > 20_000) {
    known = new Map();
    costsKnown.set(setting.device, known);
  }
  const name = questionName(question, setting);
  let answer = known.get(name);
  if (!answer) {
    answer = computeCost(question, setting);
    known.set(name, answer);
  }
  return answer;
}

/**
 * The three parts of a block's time and nothing else: what a search compares, thousands of times over. Dense
 * blocks, which no rate changes, are remembered.
 */
export function blockTimes(question: BlockQuestion, setting: Setting): PassCost {
  const calibration = calibrationOf(setting.device);
  const { plan } = question;
  let costs: readonly PassCost[];
  if (plan.mode === 'dense') {
    costs = blockCost(question, setting).passes;
  } else {
    const work = workOf(question, setting);
    costs = calibration
      ? calibratedBlockCosts(work, calibration, setting.threads)
      : blockPasses(work).map((pass) => rooflineCost(pass, setting.device, setting));
  }
  let computeMs = 0;
  let dataMs = 0;
  let overheadMs = 0;
  for (const cost of costs) {
    computeMs += cost.computeMs;
    dataMs += cost.dataMs;
    overheadMs += cost.overheadMs;
  }
  return { computeMs, dataMs, overheadMs };
}

function workOf(
  { block, shape, plan, coverage, nextCells, decides }: BlockQuestion,
  { batch }: Setting,
): BlockWork {
  return {
    block,
    shape,
    plan,
    coverage,
    batch,
    ...(nextCells === undefined ? {} : { next: { cells: nextCells } }),
    ...(decides === undefined ? {} : { decides }),
  };
}

/**
 * Predicts one block. A dense block is costed at the fastest grouping of its primitives: what the adaptive
 * strategies may fuse, a dense kernel may fuse too, so that dense execution is never made to look slow.
 */
function computeCost(question: BlockQuestion, setting: Setting): PredictedBlock {
  const { block, shape, plan, coverage } = question;
  const work = workOf(question, setting);
  const dense = plan.mode === 'dense';
  const calibration = calibrationOf(setting.device);
  return {
    passes: calibration
      ? calibratedPasses(work, calibration, setting)
      : dense
        ? bestDensePasses(work, setting)
        : costPasses(work, setting),
    rate: dense ? 1 : coverage.rate,
    dilatedRate: computedCoverage(work)[0] ?? 1,
    denseFlops: denseBlockFlops(block, shape, setting.batch),
  };
}

/** On a calibrated machine a plan's groups are what its backend really does. */
function calibratedPasses(
  work: BlockWork,
  calibration: NativeCalibration,
  { threads }: Setting,
): PredictedPass[] {
  const costs = calibratedBlockCosts(work, calibration, threads);
  return blockPasses(work).map((pass, i) => ({ ...describe(pass), ...costs[i]! }));
}

function costPasses(work: BlockWork, setting: Setting): PredictedPass[] {
  return blockPasses(work).map((pass) => passCost(pass, setting));
}

function totalOf(passes: readonly PredictedPass[]): number {
  return passes.reduce((sum, pass) => sum + pass.computeMs + pass.dataMs + pass.overheadMs, 0);
}

function bestDensePasses(work: BlockWork, setting: Setting): PredictedPass[] {
  let best = costPasses(work, setting);
  const sequence = work.plan.groups.flatMap((group) => group.primitives);
  const branch = sequence.filter((primitive) => primitive !== 'projection');
  const before: Group[] = sequence.includes('projection') ? [{ primitives: ['projection'] }] : [];
  for (let cuts = 0; cuts < 2 ** (branch.length - 1); cuts++) {
    const groups = [...before, ...cutInto(branch, cuts)];
    const passes = costPasses({ ...work, plan: { ...work.plan, groups } }, setting);
    if (totalOf(passes) < totalOf(best)) best = passes;
  }
  return best;
}

/** `sequence` cut after position i wherever bit i of `cuts` is set. */
function cutInto(sequence: readonly Primitive[], cuts: number): Group[] {
  const groups: Primitive[][] = [[]];
  sequence.forEach((primitive, i) => {
    groups[groups.length - 1]!.push(primitive);
    if (i < sequence.length - 1 && (cuts >> i) & 1) groups.push([]);
  });
  return groups.map((primitives) => ({ primitives }));
}
