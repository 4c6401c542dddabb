import type { Block } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { Device } from '../../plan/device.js';
import type { Group, Primitive } from '../../plan/plan.js';
import { calibrationOf } from '../calibration.js';
import { type Coverage, fullCoverage } from '../coverage.js';
import { gpuCalibrationOf } from '../gpu/gpu-calibration.js';
import type { Setting } from '../options.js';
import { blockKind, type Schedule } from './block-kind.js';
import { BLOCK_NODE, programOfBlock } from './block-program.js';
import { pricesOf } from './calibrated.js';
import { passCosts } from './pass-costs.js';
import { type SplitTime, timeOfPasses, totalOf } from './pass-times.js';

/** Predicts a single block. A dense one is costed at the best that its kernels could do: see `denseRatio`. */
export function blockTime(
  block: Block,
  shape: BlockShape,
  plan: Schedule,
  coverage: Coverage,
  setting: Setting,
): SplitTime {
  const planned = timeAlone(block, shape, plan, coverage, setting);
  if (plan.mode !== 'dense') return planned;
  const ratio = denseRatio(block, shape, plan, setting);
  return {
    computeMs: planned.computeMs * ratio,
    dataMs: planned.dataMs * ratio,
    overheadMs: planned.overheadMs * ratio,
  };
}

function timeAlone(
  block: Block,
  shape: BlockShape,
  plan: Schedule,
  coverage: Coverage,
  setting: Setting,
): SplitTime {
  const program = programOfBlock(block, shape, plan, setting.batch);
  const counts = program.counts(() => coverage);
  return timeOfPasses(
    passCosts(program, counts, setting),
    program.order.first(BLOCK_NODE),
    program.order.count,
  );
}

const ratios = new WeakMap<Device, Map<string, number>>();

/**
 * By how much a dense block takes less than its plan says when its primitives are grouped as best they can: what the
 * adaptive strategies may fuse or keep apart, a dense kernel may too, so that dense execution is never made to look slow.
 * On a calibrated machine, whose backend does what the plan says, only keeping everything apart is tried.
 * @returns at most 1
 */
export function denseRatio(block: Block, shape: BlockShape, plan: Schedule, setting: Setting): number {
  // What a rewrite answers may change: its ratio is found each time.
  if (plan.rewrite) return ratioToBest(block, shape, plan, setting);
  const known = ratios.get(setting.device) ?? new Map<string, number>();
  ratios.set(setting.device, known);
  const key = `${blockKind(block, shape)} ${setting.batch} ${setting.threads} ${setting.weightBytes} ${plan.groups.map(({ primitives }) => primitives).join('/')}`;
  let ratio = known.get(key);
  if (ratio === undefined) {
    ratio = ratioToBest(block, shape, plan, setting);
    known.set(key, ratio);
  }
  return ratio;
}

function ratioToBest(block: Block, shape: BlockShape, plan: Schedule, setting: Setting): number {
  const total = (schedule: Schedule) =>
    totalOf(timeAlone(block, shape, schedule, fullCoverage(block), setting));
  const planned = total(plan);
  const { rewrite, ...grouped } = plan;
  const { device, threads } = setting;
  const calibration = calibrationOf(device);
  const measured = gpuCalibrationOf(device) ?? (calibration && pricesOf(calibration, threads));
  const primitives = plan.groups.flatMap((group) => group.primitives);
  const time = (groups: readonly Group[]) => total({ ...grouped, groups });
  const least = measured
    ? time(primitives.map((primitive): Group => ({ primitives: [primitive] })))
    : leastTime(primitives, time);
  return Math.min(least / planned, 1);
}

/** Ways to divide a branch that are all tried, as many as four convolutions with attention have. */
const MOST_GROUPINGS = 32;

/**
 * The least time of primitives divided into groups, the projection in a pass of its own. Of a branch that can be divided in
 * too many ways, one cut after the other is made or taken back for as long as that saves time.
 */
function leastTime(primitives: readonly Primitive[], time: (groups: readonly Group[]) => number): number {
  const branch = primitives.filter((primitive) => primitive !== 'projection');
  const before: Group[] = primitives.includes('projection') ? [{ primitives: ['projection'] }] : [];
  const places = branch.length - 1;
  const timeCut = (cuts: number) => time([...before, ...cutInto(branch, cuts)]);
  if (2 ** places <= MOST_GROUPINGS)
    return Math.min(...Array.from({ length: 2 ** places }, (_, cuts) => timeCut(cuts)));
  let [cuts, least] = [0, timeCut(0)];
  for (let [place, unchanged] = [0, 0]; unchanged < places; place = (place + 1) % places) {
    const changed = cuts ^ (1 << place);
    const ms = timeCut(changed);
    if (ms < least) [cuts, least, unchanged] = [changed, ms, 0];
    else unchanged++;
  }
  return least;
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
