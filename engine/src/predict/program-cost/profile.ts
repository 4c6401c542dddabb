import type { Mask, Masker } from '../../mask/mask.js';
import { attentionNote } from '../../network/attention.js';
import { exchangedBytes } from '../../network/exchanged-bytes.js';
import { denseBlockFlops } from '../../network/flops.js';
import type { Block, Network } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import type { BlockPlan, Plan, Primitive } from '../../plan/plan.js';
import type { Profile } from '../../profile.js';
import { PredictedProfile } from '../assemble.js';
import { besidePassesMs, calibrationOf } from '../calibration.js';
import { type Coverage, expectedCoverage, maskCoverage } from '../coverage.js';
import { gpuCalibrationOf } from '../gpu/gpu-calibration.js';
import { gpuRunMs } from '../gpu/gpu-costs.js';
import type { Setting } from '../options.js';
import { denseRatio } from './block-cost.js';
import { pricesOf } from './calibrated.js';
import { type CostedProgram, programOfPlan } from './costed-program.js';
import { passCosts } from './pass-costs.js';
import type { PlacedBlock } from './placed-parts.js';

/** What is known of the masks: rates assumed, or masks drawn. */
export interface MaskKnowledge {
  /** By block; assumed where its mask is not given. */
  readonly rates: readonly number[];
  readonly masks?: readonly Mask[];
  /** Who decides them, by block. */
  readonly maskers?: readonly Masker[];
}

/** Predicts every pass of the program that a run of the plan would execute, stem and head included. */
export function foveaProfile(
  network: Network,
  plan: Plan,
  shapes: NetworkShapes,
  setting: Setting,
  known: MaskKnowledge,
): Profile {
  const profile = new PredictedProfile(network, plan, 'fovea', setting);
  const program = programOfPlan(network, plan, shapes, known.maskers);
  const { order, sums } = program;
  const coverageOf = ({ block, shape }: PlacedBlock): Coverage => {
    const mask = known.masks?.find((candidate) => candidate.block === block.index);
    return mask
      ? maskCoverage(mask, block, shape, setting.batch)
      : expectedCoverage(
          block,
          shape,
          plan.blocks[block.index]!.granularity,
          known.rates[block.index]!,
          setting.batch,
        );
  };
  const counts = program.counts(coverageOf);
  const costs = passCosts(program, counts, setting);
  sums.update(counts.pixels);
  const passAt = (pass: number, primitives: readonly Primitive[], ratio = 1) => ({
    primitives,
    computeMs: costs.computeMs[pass]! * ratio,
    dataMs: costs.dataMs[pass]! * ratio,
    overheadMs: costs.overheadMs[pass]! * ratio,
    flops: sums.flops[pass]!,
    bytes: sums.bytes[pass]!,
  });
  const rateOf = (region: number | undefined) =>
    region === undefined ? 1 : counts.pixels[region]! / program.wholeOf(region);
  network.nodes.forEach((node, position) => {
    const first = order.first(position);
    if (node.kind === 'foreign') {
      profile.note(`${node.name} runs in onnxruntime; its time is not predicted`);
      return;
    }
    if (node.kind !== 'block') {
      profile.addNode(node.name, passAt(first, []));
      return;
    }
    const { block } = node;
    const blockPlan = plan.blocks[block.index]!;
    const shape = shapes.blocks[block.index]!;
    const ratio = blockPlan.mode === 'dense' ? denseRatio(block, shape, blockPlan, setting) : 1;
    const adaptive = program.adaptive.get(block.index);
    profile.addBlock(block, blockPlan, {
      passes: blockPlan.groups.map(({ primitives }, group) => passAt(first + group, primitives, ratio)),
      rate: rateOf(adaptive?.region),
      dilatedRate: rateOf(adaptive?.conv1Region),
      denseFlops: denseBlockFlops(block, shape, setting.batch),
    });
    noteExcitation(profile, block, blockPlan);
  });
  noteCalibration(profile, program, setting, exchangedBytes(network, shapes));
  return profile.finish();
}

/** A calibrated machine's runs take their time to start and end. */
function noteCalibration(
  profile: PredictedProfile,
  program: CostedProgram,
  { device, threads }: Setting,
  exchanged: number,
): void {
  const gpu = gpuCalibrationOf(device);
  const calibration = calibrationOf(device);
  if (!gpu && !calibration) return;
  if (gpu?.software) profile.note('calibrated on a software driver: times say nothing about a GPU');
  if (calibration && !pricesOf(calibration, threads)) {
    profile.note(
      'predicted by a roofline: the calibration is of use only together with the native addon that it was made with',
    );
  }
  profile.addNode('start and end of the run', {
    primitives: [],
    computeMs: 0,
    dataMs: 0,
    overheadMs: gpu
      ? gpuRunMs(program, gpu)
      : besidePassesMs(calibration!, threads, profile.passesMs, exchanged),
    flops: 0,
    bytes: 0,
  });
}

function noteExcitation(profile: PredictedProfile, block: Block, plan: BlockPlan): void {
  if (!block.attention || plan.mode === 'dense') return;
  profile.note(attentionNote(block.attention, plan.excitation));
}
