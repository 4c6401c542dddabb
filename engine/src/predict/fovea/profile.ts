import { maskGrid } from '../../mask/geometry.js';
import type { Mask, Masker } from '../../mask/mask.js';
import { decidesByRule } from '../../mask/rule.js';
import type { Block, Network } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { NetworkShapes } from '../../network/walk.js';
import type { BlockPlan, Plan, Primitive } from '../../plan/plan.js';
import type { Profile } from '../../profile.js';
import { PredictedProfile } from '../assemble.js';
import { calibrationOf, costsFor } from '../calibration.js';
import type { Setting } from '../options.js';
import { blockCost, nodeCost } from './block-cost.js';
import { type Coverage, expectedCoverage, fullCoverage, maskCoverage } from './coverage.js';

/** What is known of the masks: rates assumed, or masks drawn. */
export interface MaskKnowledge {
  /** By block; assumed where its mask is not given. */
  readonly rates: readonly number[];
  readonly masks?: readonly Mask[];
  /** Who decides them, by block. */
  readonly maskers?: readonly Masker[];
}

function coverageOf(
  block: Block,
  shape: BlockShape,
  plan: BlockPlan,
  known: MaskKnowledge,
  batch: number,
): Coverage {
  if (plan.mode === 'dense') return fullCoverage(block);
  const mask = known.masks?.find((candidate) => candidate.block === block.index);
  if (mask) return maskCoverage(mask, block, shape);
  return expectedCoverage(block, shape, plan.granularity, known.rates[block.index]!, batch);
}

/**
 * Whether a block's mask is computed by a rule: as its masker says, or else if anybody pools for it, the block itself or
 * the one before.
 */
function decidesMask(block: Block, plan: Plan, { maskers }: MaskKnowledge): boolean {
  const masker = maskers?.[block.index];
  if (masker) return decidesByRule(masker, block);
  const has = (index: number, primitive: Primitive) =>
    plan.blocks[index]?.groups.some(({ primitives }) => primitives.includes(primitive)) ?? false;
  return has(block.index, 'pool') || has(block.index - 1, 'next-pool');
}

/** Predicts every pass of a plan with Fovea's cost model, stem and head included. */
export function foveaProfile(
  network: Network,
  plan: Plan,
  shapes: NetworkShapes,
  setting: Setting,
  known: MaskKnowledge,
): Profile {
  const profile = new PredictedProfile(network, plan, 'fovea', setting);
  for (const node of network.nodes) {
    if (node.kind === 'block') {
      const { block } = node;
      const blockPlan = plan.blocks[block.index]!;
      const shape = shapes.blocks[block.index]!;
      const coverage = coverageOf(block, shape, blockPlan, known, setting.batch);
      const next = plan.blocks[block.index + 1];
      const nextCells = next && cellsOf(shapes.blocks[next.block]!, next.granularity, setting.batch);
      const question = {
        block,
        shape,
        plan: blockPlan,
        coverage,
        decides: decidesMask(block, plan, known),
        ...(nextCells === undefined ? {} : { nextCells }),
      };
      profile.addBlock(block, blockPlan, blockCost(question, setting));
      noteExcitation(profile, block, blockPlan);
      continue;
    }
    const pass = nodeCost(node, shapes, setting);
    if (pass) profile.addNode(node.name, pass);
    else profile.note(`${node.name} runs in onnxruntime; its time is not predicted`);
  }
  const calibration = calibrationOf(setting.device);
  if (calibration) {
    const { runMs } = costsFor(calibration, setting.threads);
    profile.addNode('start and end of the run', {
      primitives: [],
      computeMs: 0,
      dataMs: 0,
      overheadMs: runMs,
      flops: 0,
      bytes: 0,
    });
  }
  return profile.finish();
}

function cellsOf(shape: BlockShape, granularity: number, batch: number): number {
  const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, granularity);
  return batch * rows * columns;
}

function noteExcitation(profile: PredictedProfile, block: Block, plan: BlockPlan): void {
  if (!block.squeezeExcitation || plan.mode === 'dense') return;
  profile.note(
    plan.excitation === 'exact'
      ? 'squeeze-and-excitation pools the dense map (exact)'
      : 'squeeze-and-excitation pools active pixels only (active)',
  );
}
